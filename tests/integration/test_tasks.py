"""docs/tasks are run: what a page has one write is written, what it has one run is run, in order.

The word behind a block's language says what becomes of it: a file's name, `run`, `serve` (in the
background), `soon` (until it lists something), `proxied` (through each proxy of the page that this
machine has). Addresses of the world are those of stand-ins.
"""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from patience import HANG_S
from rig import Sink
from rig_served import free_port

ROOT = Path(__file__).parents[2]
TASKS = ROOT / "docs" / "tasks"
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DISCORD = "https://discord.com/api/webhooks/1234567890/the-token-in-your-url"


class Page:
    """A page, run block by block in a directory of its own."""

    def __init__(self, name: str, directory: Path, stand_ins: dict[str, str]) -> None:
        self.blocks = BLOCK.findall((TASKS / name).read_text())
        self.port = free_port()
        self._directory = directory
        self._stand_ins = {"127.0.0.1:8080": f"127.0.0.1:{self.port}", **stand_ins}
        (directory / "bin").mkdir()
        command = directory / "bin/dispatchd"
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -m dispatchd "$@"\n')
        command.chmod(0o755)
        self._environment = {
            "PATH": f"{directory}/bin:{os.environ['PATH']}",
            "HOME": str(directory),
            "PYTHONPATH": str(ROOT),
        }
        self._served: list[asyncio.subprocess.Process] = []
        self.said: list[str] = []

    def localized(self, text: str) -> str:
        """Return a text of the page with this machine's addresses."""
        for there, here in self._stand_ins.items():
            text = text.replace(there, here)
        return text

    async def follow(self, special: dict[str, Callable[[str], Any]] | None = None) -> str:
        """Do all that the page says; return what its commands put out."""
        for _, role, text in self.blocks:
            here = self.localized(text)
            if role in (special or {}):
                await special[role](here)
            elif role == "run":
                await self.run(here)
            elif role == "soon":
                async with asyncio.timeout(HANG_S):
                    while (await self.run(here)).startswith("No "):
                        await asyncio.sleep(0.2)
            elif role == "serve":
                await self.serve(here)
            elif role:
                self.write(role, here)
        return "".join(self.said)

    def write(self, name: str, text: str) -> None:
        if name == "config.yaml" and "listen:" not in text:
            text = f"server: {{listen: '127.0.0.1:{self.port}'}}\n{text}"
        (self._directory / name).write_text(text)

    async def run(self, script: str) -> str:
        """Run a block; what it exports is there for the next."""
        kept = self._directory / "environment"
        wrapped = f"set -euo pipefail\ntrap 'env -0 > {kept}' EXIT\n{script}"
        process = await asyncio.create_subprocess_exec(
            "bash",
            "-c",
            wrapped,
            cwd=self._directory,
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        self.said.append(said.decode())
        assert process.returncode == 0, f"{script}\n{said.decode()}"
        pairs = kept.read_text().split("\0")[:-1]
        self._environment = dict(pair.split("=", 1) for pair in pairs)
        return said.decode()

    async def serve(self, script: str) -> None:
        """Start a block that goes on; return once it takes webhooks."""
        process = await asyncio.create_subprocess_exec(
            "bash",
            "-c",
            f"exec {script}",
            cwd=self._directory,
            env=self._environment,
            stderr=asyncio.subprocess.PIPE,
        )
        self._served.append(process)
        assert process.stderr is not None
        async for line in process.stderr:
            if json.loads(line)["event"] == "started":
                break
        else:
            raise AssertionError("it did not start")

    async def stop(self) -> None:
        for process in self._served:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await process.communicate()


StartPage = Callable[..., Page]


@pytest.fixture
async def start_page(tmp_path: Path) -> AsyncIterator[StartPage]:
    pages: list[Page] = []

    def start(name: str, **stand_ins: str) -> Page:
        page = Page(name, tmp_path, stand_ins.get("addresses") or {})  # type: ignore[arg-type]
        pages.append(page)
        return page

    yield start
    for page in pages:
        await page.stop()


def test_each_page_is_run_and_listed() -> None:
    here = Path(__file__).read_text()
    readme = (ROOT / "README.md").read_text()
    for path in TASKS.glob("*.md"):
        assert f'"{path.name}"' in here or path.name == "sizing.md", path.name
        assert f"docs/tasks/{path.name}" in readme, path.name


def test_the_sizes_are_those_of_the_benchmarks() -> None:
    page = (TASKS / "sizing.md").read_text()
    bench = (ROOT / "bench" / "README.md").read_text()
    rows = re.findall(r"^\| [^|]+ \| ([^|]+) \| `([^`]+)` \|$", page, re.MULTILINE)
    assert len(rows) >= 8
    for measured, figure in rows:
        assert f"| {figure} |" in bench, figure
        told = re.search(rf"^\| {re.escape(figure)} \| [^|]+ \| ([^|]+) \|$", bench, re.MULTILINE)
        assert told is not None
        assert measured.strip() == told[1].removesuffix(" MISS"), figure


async def test_github_to_discord(start_page: StartPage, sink: Sink) -> None:
    page = start_page("github-to-discord.md", addresses={DISCORD: f"{sink.url}api/webhooks/1/t"})
    await page.follow()
    await sink.wait_for(1)
    ((_, message),) = sink.received
    assert b"It works" in message
    assert b"you/repo" in message


@pytest.mark.parametrize("proxy", ["caddy", "nginx"])
async def test_behind_a_proxy(
    start_page: StartPage, sink: Sink, tmp_path: Path, proxy: str
) -> None:
    if shutil.which(proxy) is None:
        pytest.skip(f"{proxy} is not on this machine")
    at = free_port()
    page = start_page(
        "behind-a-proxy.md",
        addresses={
            "http://127.0.0.1:9000/": sink.url,
            "https://hooks.example.com/hooks": f"http://127.0.0.1:{at}/hooks",
            "hooks.example.com {": f"http://127.0.0.1:{at} {{",
            # nginx: without the certificate, which is not the page's matter
            "listen 443 ssl": f"listen 127.0.0.1:{at}",
            "    ssl_certificate ": "    #",
            "    ssl_certificate_key": "    #",
        },
    )

    async def through(script: str) -> None:
        await page.serve("dispatchd serve --config config.yaml")
        async with running(proxy, tmp_path, at):
            said = await page.run(f"{script}\ndispatchd show latest --json")
        event = json.loads(said[said.index("}") + 1 :])
        assert event["source_ip"] == "127.0.0.1"
        await sink.wait_for(1)
        assert [body for _, body in sink.received] == [b'{"hello":"world"}']

    await page.follow({"proxied": through})


@contextlib.asynccontextmanager
async def running(proxy: str, directory: Path, port: int) -> AsyncIterator[None]:
    """Run a proxy with the page's config until the block ends."""
    if proxy == "caddy":
        site = directory / "Caddyfile"
        site.write_text(f"{{\n\tadmin off\n}}\n{site.read_text()}")
        command = ["caddy", "run", "--config", str(site), "--adapter", "caddyfile"]
    else:
        config = directory / "whole.conf"
        config.write_text(
            f"daemon off;\npid {directory}/nginx.pid;\nerror_log stderr;\nevents {{}}\n"
            f"http {{\naccess_log off;\nclient_body_temp_path {directory}/bodies;\n"
            f"proxy_temp_path {directory}/proxied;\nfastcgi_temp_path {directory}/f;\n"
            f"uwsgi_temp_path {directory}/u;\nscgi_temp_path {directory}/s;\n"
            f"include {directory}/nginx.conf;\n}}\n"
        )
        command = ["nginx", "-p", str(directory), "-c", str(config)]
    environment = {**os.environ, "HOME": str(directory), "XDG_DATA_HOME": str(directory)}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(HANG_S):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(30)


async def test_from_adnanh_webhook(start_page: StartPage, tmp_path: Path) -> None:
    script = tmp_path / "redeploy.sh"
    script.write_text('#!/bin/sh\necho "deploying $1"\n')
    script.chmod(0o755)
    page = start_page("from-adnanh-webhook.md", addresses={"/srv/hooks": str(tmp_path)})
    said = await page.follow()
    assert "${REDEPLOY_SECRET}" in said
    assert "mysecret" not in said
    async with asyncio.timeout(HANG_S):  # `show` may have come before the script's end
        while "deploying abc123" not in said:
            said += await page.run("dispatchd show latest --json")


async def test_from_a_service(start_page: StartPage, sink: Sink) -> None:
    page = start_page(
        "from-a-service.md", addresses={"https://billing.example.com/stripe": sink.url}
    )
    said = await page.follow()
    await sink.wait_for(1)
    ((headers, body),) = sink.received
    assert b"invoice.paid" in body
    assert "Stripe-Signature" in headers
    assert "by stripe[0]" in said


async def test_when_something_is_wrong(start_page: StartPage) -> None:
    said = await start_page("when-something-is-wrong.md").follow()
    assert "invalid_signature" in said
    assert "turned away by its event_types" in said
    assert "moving to the new server" in said
    assert "added destination audit" in said
    assert "Replayed 2 deliveries." in said
    assert "Nothing has changed" in said
