"""The process around it all: listeners, signals, systemd, what it says when it cannot start."""

import asyncio
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from patience import HANG_S
from promised import promised
from released import unpack
from rig import RecordingLog, signature
from rig_process import ProcessDaemon

from dispatchd.app import App
from dispatchd.config import parse
from dispatchd.errors import DispatchdError
from dispatchd.plan.compiling import compile_plan
from dispatchd.systemd import Notifier

BODY = b'{"action":"opened"}'


def config_text(tmp_path: Path, listen: str = "127.0.0.1:0") -> str:
    return textwrap.dedent(f"""
    server: {{listen: '{listen}'}}
    storage: {{url: 'sqlite:///{tmp_path}/d.db'}}
    endpoints: {{my-slug: {{secret: a-secret}}}}
    """)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """Listen as systemd does for what a service notifies it of."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "notify.sock"))
        made.settimeout(0)
        yield made


async def post_over(path: str) -> int:
    connector = aiohttp.UnixConnector(path=path)
    headers = {"X-Dispatch-Signature": signature(BODY, "a-secret")}
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post("http://localhost/hooks/my-slug", data=BODY, headers=headers) as response,
    ):
        return response.status


async def test_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "hooks.sock")
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(path)  # what a killed process leaves behind
    dead.close()
    app = App(compile_plan(parse(config_text(tmp_path, f"unix:{path}"))), RecordingLog())
    await app.start()
    try:
        assert stat.S_IMODE(Path(path).stat().st_mode) == 0o660
        assert await post_over(path) == 202
        other = tmp_path / "other"
        other.mkdir()
        second = App(compile_plan(parse(config_text(other, f"unix:{path}"))), RecordingLog())
        with pytest.raises(DispatchdError, match="another process does"):
            await second.start()
    finally:
        await app.stop()


async def test_a_file_in_the_sockets_place_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    app = App(compile_plan(parse(config_text(tmp_path, f"unix:{path}"))), RecordingLog())
    with pytest.raises(DispatchdError, match="not a socket"):
        await app.start()
    assert path.read_text() == "data"


async def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        app = App(compile_plan(parse(config_text(tmp_path, f"127.0.0.1:{port}"))), RecordingLog())
        with pytest.raises(DispatchdError, match=f"127.0.0.1:{port}: Address already in use"):
            await app.start()


async def serving(config: Path, env: dict[str, str], *options: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "dispatchd", "serve", "--config", str(config), *options),
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **env},
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_tells_systemd_and_ends_with_0(
    tmp_path: Path, manager: socket.socket, number: int
) -> None:
    loop = asyncio.get_running_loop()
    config = tmp_path / "config.yaml"
    config.write_text(config_text(tmp_path))
    env = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "200000"}
    process = await serving(config, env, "--log-format", "json")
    async with asyncio.timeout(HANG_S):
        while (state := await loop.sock_recv(manager, 100)) == b"WATCHDOG=1":
            pass  # a slow start: it is watched from when the store is open
        assert state == b"READY=1"
        for _ in range(3):
            assert await loop.sock_recv(manager, 100) == b"WATCHDOG=1"
        process.send_signal(number)
        while (state := await loop.sock_recv(manager, 100)) == b"WATCHDOG=1":
            pass
        assert state == b"STOPPING=1"
        _, err = await process.communicate()
    assert process.returncode == 0
    lines = [json.loads(line) for line in err.splitlines()]
    assert [line["event"] for line in lines] == ["config", "started", "stopping", "stopped"]
    assert all(set(line) >= {"event", "level", "time"} for line in lines)


async def test_systemd_waits_for_an_upgrade_of_the_database(
    tmp_path: Path, manager: socket.socket
) -> None:
    loop = asyncio.get_running_loop()
    config = tmp_path / "config.yaml"
    config.write_text(config_text(tmp_path))
    unpack(1, tmp_path / "d.db")
    process = await serving(
        config, {"NOTIFY_SOCKET": manager.getsockname()}, "--log-format", "json"
    )
    async with asyncio.timeout(HANG_S):
        for _ in ("copy", "check", "change", "done"):
            assert await loop.sock_recv(manager, 100) == b"EXTEND_TIMEOUT_USEC=120000000"
        assert await loop.sock_recv(manager, 100) == b"READY=1"
        process.terminate()
        await process.communicate()


async def test_the_watchdog_belongs_to_its_process_only() -> None:
    assert Notifier({"WATCHDOG_USEC": "30000000"}).watchdog_interval_s == 15
    assert Notifier({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}).watchdog_interval_s is None
    assert Notifier({}).watchdog_interval_s is None
    Notifier({"NOTIFY_SOCKET": "@nobody-listens-here"}).ready()


def test_a_config_with_problems_is_exit_2_and_no_traceback(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("server: {listen: nowhere}\nendpoints: {a: {destinations: [b]}}\n")
    ran = subprocess.run(
        [sys.executable, "-m", "dispatchd", "serve", "--config", str(config)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert len(ran.stderr.splitlines()) == 3
    assert "Traceback" not in ran.stderr


def alone(code: str) -> "subprocess.CompletedProcess[str]":
    """Run code in a process of its own, which has to end well."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=True,
        timeout=HANG_S,
    )


ON_ONE_PROCESSOR = """
import os, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="macOS keeps nobody to one")
async def test_on_one_processor_the_config_is_read_first(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(config_text(tmp_path))
    wrapper = (sys.executable, "-c", ON_ONE_PROCESSOR)
    daemon = ProcessDaemon(config, tmp_path / "d.db", wrapper)
    await daemon.start()
    assert await daemon.terminate() == 0
    config.write_text("server: {listen: nowhere}\n")
    await daemon.launch()
    await daemon._gone()
    assert daemon.process.returncode == 2


def test_cycles_are_looked_for_once_it_has_started(tmp_path: Path) -> None:
    """In a process of its own: what is frozen stays so."""
    code = f"""
        import asyncio, gc, os, signal
        from dispatchd.app import App
        from dispatchd.config import parse
        from dispatchd.log import make_log
        from dispatchd.plan.compiling import compile_plan
        from dispatchd.systemd import Notifier

        class Waited(Notifier):
            def ready(self):
                asyncio.get_running_loop().call_soon(look)

        def look():
            print(gc.isenabled(), gc.get_freeze_count() > 10_000)
            os.kill(os.getpid(), signal.SIGTERM)

        gc.disable()
        plan = compile_plan(parse({config_text(tmp_path)!r}))
        log = make_log("json")
        asyncio.run(App(plan, log, notifier=Waited()).run())
        log.close()
    """
    ran = alone(code)
    assert ran.stdout == "True True\n", ran.stderr


def test_a_reader_of_the_config_that_dies_is_told_and_none_is_left_behind() -> None:
    """In a process of its own, which has no thread: the reader is a fork of it."""
    code = """
        import os, signal
        from dispatchd.errors import DispatchdError
        from dispatchd.plan import reading

        def dies(config_path):
            os.kill(os.getpid(), signal.SIGKILL)

        def hangs(config_path):
            while True:
                signal.pause()

        reading.read_config = dies
        with reading.PlanReader(None) as reader:
            try:
                reader.plan()
            except DispatchdError as error:
                print(error)
        reading.read_config = hangs
        with reading.PlanReader(None):
            pass
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            print("no child is left")
    """
    ran = alone(code)
    assert ran.stdout.splitlines() == [
        "reading the config ended with exit code -9",
        "no child is left",
    ]


async def test_text_logs_escape_what_senders_write(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    text = config_text(tmp_path).replace("{secret: a-secret}", "{auth: none, event_type_path: t}")
    config.write_text(text)
    process = await serving(config, {}, "--log-format", "text")
    assert process.stderr is not None
    port = 0
    async with asyncio.timeout(HANG_S):
        while not port:
            line = (await process.stderr.readline()).decode()
            port = int(line.partition("port=")[2].split()[0]) if "port=" in line else 0
        body = json.dumps({"t": "\x1b[31mred\r\nforged line"}).encode()
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"http://127.0.0.1:{port}/hooks/my-slug", data=body) as response,
        ):
            assert response.status == 202
        line = (await process.stderr.readline()).decode()
        process.terminate()
        await process.communicate()
    assert "red" in line
    assert "forged line" in line
    assert "\x1b[31mred" not in line


async def test_healthz_while_draining(tmp_path: Path) -> None:
    app = App(compile_plan(parse(config_text(tmp_path))), RecordingLog())
    await app.start()
    app._receiver.stopping = True
    async with aiohttp.ClientSession() as http:
        async with http.get(f"http://127.0.0.1:{app.port}/healthz") as response:
            assert (response.status, await response.json()) == (503, {"status": "stopping"})
        headers = {"X-Dispatch-Signature": signature(BODY, "a-secret")}
        url = f"http://127.0.0.1:{app.port}/hooks/my-slug"
        async with http.post(url, data=BODY, headers=headers) as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) >= 1
    await app.stop()


async def test_a_hang_up_reloads_and_systemd_is_told(
    tmp_path: Path, manager: socket.socket
) -> None:
    """With MONOTONIC_USEC, as systemd wants it of who reloads; `dispatchd reload` says the rest."""
    loop = asyncio.get_running_loop()
    config = tmp_path / "config.yaml"
    config.write_text(config_text(tmp_path))
    process = await serving(
        config, {"NOTIFY_SOCKET": manager.getsockname()}, "--log-format", "json"
    )
    async with asyncio.timeout(HANG_S):
        assert await loop.sock_recv(manager, 100) == b"READY=1"
        config.write_text(config.read_text().replace("my-slug", "other"))
        process.send_signal(signal.SIGHUP)
        reloading = await loop.sock_recv(manager, 100)
        assert re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*", reloading)
        assert await loop.sock_recv(manager, 100) == b"READY=1"
    code, out, _ = await reload(config)
    assert (code, out) == (0, "Nothing has changed: the config says what it said before.\n")
    config.write_text(config.read_text().replace("secret:", "secrets:"))
    code, _, err = await reload(config)
    assert code == 2
    *problems, last = err.splitlines()
    assert [problem.split(" ")[0] for problem in problems] == [f"{config}:4:", f"{config}:4:"]
    assert last == "Nothing has changed: the daemon goes on with the config it had."
    config.write_text(config.read_text().replace("secrets:", "secret:").replace("other", "more"))
    code, out, _ = await reload(config, "--json")
    assert promised("reload", json.loads(out))
    changes = [(one["change"], one["name"]) for one in json.loads(out)["changes"]]
    assert (code, changes) == (0, [("added", "more"), ("removed", "other")])
    process.terminate()
    _, log = await process.communicate()
    said = [json.loads(line)["event"] for line in log.splitlines()]
    said = [event for event in said if event != "config"]
    reloads = ["reloaded", "reloaded", "reload_refused", "reloaded"]
    assert said == ["started", *reloads, "stopping", "stopped"]
    assert process.returncode == 0
    code, _, err = await reload(config)
    assert code == 1
    assert "no dispatchd is running" in err


async def reload(config: Path, *options: str) -> tuple[int | None, str, str]:
    """Run `dispatchd reload`; return its exit code and what it prints."""
    command = [sys.executable, "-m", "dispatchd", "reload", "--config", str(config), *options]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()
