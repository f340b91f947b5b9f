"""A real Chromium before a real daemon."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chrome import CHROMIUM, FLAGS
from patience import HANG_S
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from rig_served import free_port
from shop import SECRET, TOKEN, Shop, Sink

Open = Callable[..., Page]
expect.set_options(timeout=HANG_S * 1000)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("chromium is not installed: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def start_shop(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    """Start the daemon of these tests; `admin` is what else stands in that section."""
    ends: list[Callable[[], object]] = []

    def start(token: str | None = TOKEN, *, events: bool = True) -> Shop:
        sink = Sink()
        server = sink.serve()
        public, admin = free_port(), free_port()
        config = tmp_path / "config.yaml"
        secret_of_admin = "" if token is None else f", token: {token}"
        config.write_text(
            f"""
server: {{listen: '127.0.0.1:{public}'}}
admin: {{listen: '127.0.0.1:{admin}'{secret_of_admin}}}
storage: {{url: 'sqlite:///{tmp_path}/shop.db'}}
endpoints:
  shop:
    secret: {SECRET}
    refused: {{body: true}}
    destinations:
      - crm
      - {{to: other, filter: {{body.type: nothing-has-this}}}}
  github: {{provider: github, secret: {SECRET}, destinations: [crm]}}
destinations:
  crm:
    url: '{sink.url}'
    headers: {{X-Key: a-key-that-nobody-may-see}}
    retry: {{max_attempts: 2, backoff: [1h]}}
  other: {{url: '{sink.url}other'}}
"""
        )
        daemon = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "dispatchd",
                "serve",
                "--config",
                config,
                "--log-format",
                "json",
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        log: list[str] = []
        assert daemon.stderr is not None
        while '"admin_started"' not in (log[-1] if log else ""):
            log.append(daemon.stderr.readline())
            assert daemon.poll() is None, log

        def end() -> None:
            daemon.terminate()
            _, rest = daemon.communicate(timeout=HANG_S)
            server.shutdown()
            server.server_close()
            assert daemon.returncode == 0
            assert '"internal_error"' not in rest, rest

        ends.append(end)
        return Shop(f"http://127.0.0.1:{public}", f"http://127.0.0.1:{admin}", sink)

    yield start
    for end in ends:
        end()


@pytest.fixture
def shop(start_shop: Callable[..., Shop]) -> Shop:
    return start_shop()


@pytest.fixture
def browse(chromium: Browser, shop: Shop) -> Iterator[Open]:
    """Open a page with a session; what a policy refused or a script failed at fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(
        path: str = "/",
        *,
        scheme: str = "light",
        width: int = 1280,
        scripts: bool = True,
        signed_in: bool = True,
    ) -> Page:
        context = chromium.new_context(
            color_scheme=scheme,  # type: ignore[arg-type]
            viewport={"width": width, "height": 900},
            java_script_enabled=scripts,
        )
        context.set_default_timeout(HANG_S * 1000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: _note(complaints, said.type, said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        if signed_in:
            page.goto(f"{shop.admin}/login")
            page.fill("#token", TOKEN)
            page.click("button:has-text('Sign in')")
            page.wait_for_url(f"{shop.admin}/")
        page.goto(shop.admin + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


def _note(complaints: list[str], kind: str, text: str) -> None:
    # What is answered 4xx and 5xx on purpose is told by the browser as an error of its own.
    if kind in ("error", "warning") and not text.startswith("Failed to load resource"):
        complaints.append(f"{kind}: {text}")
