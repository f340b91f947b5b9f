"""Fixtures of the integration tests: see rig.py for what they hand out."""

import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
from rig import Daemon, FakeClock, RecordingLog, Sink, StartDaemon
from rig_pull import Queue, start_queue
from rig_raw import Start, raw_servers
from rig_reloaded import Rewrite
from rig_sinks import MakeSink, making_sinks

from dispatchd.app import App
from dispatchd.config import load
from dispatchd.plan import Plan
from dispatchd.plan.compiling import compile_plan
from dispatchd.send import HttpSender
from dispatchd.store import group_commit, store_from_url


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no result wait for an event: these tests' clocks move by seconds, and that waits."""
    monkeypatch.setattr(group_commit, "PATIENCE_S", 0.0)


@pytest.fixture
async def sink_factory() -> AsyncIterator[MakeSink]:
    async with making_sinks() as make:
        yield make


@pytest.fixture
async def sink(sink_factory: MakeSink) -> Sink:
    return await sink_factory()


@pytest.fixture
async def start_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[StartDaemon]:
    """Start daemons from YAML; `{database}` in it is a database of this test's."""
    running: list[Daemon] = []

    async def start(
        yaml: str,
        *,
        clock: FakeClock | None = None,
        drain_s: float = 5.0,
        change: Callable[[Plan], Plan] = lambda plan: plan,
        watch: bool = False,
    ) -> Daemon:
        database = tmp_path / "dispatchd.db"
        text = textwrap.dedent(yaml)
        if "storage:" not in text:
            text += f"\nstorage: {{url: 'sqlite:///{database}'}}\n"
        if "server:" not in text:
            text += "\nserver: {listen: '127.0.0.1:0'}\n"
        path = tmp_path / "config.yaml"
        path.write_text(text)
        log = RecordingLog()
        plan = change(compile_plan(load(path), str(path)))
        app = App(plan, log, clock=clock, drain_s=drain_s, watch=watch)
        await app.start()
        store = store_from_url(f"sqlite:///{database}")
        await store.open()
        daemon = Daemon(
            app,
            log,
            f"http://127.0.0.1:{app.port}",
            aiohttp.ClientSession(),
            store,
            None if app.admin_port is None else f"http://127.0.0.1:{app.admin_port}",
        )
        running.append(daemon)
        return daemon

    async def stop(daemon: Daemon) -> None:
        await daemon.http.close()
        await daemon.store.close()
        await daemon.app.stop()
        running.remove(daemon)

    start.stop = stop  # type: ignore[attr-defined]
    yield start
    while running:
        await stop(running[0])


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start servers that do what no HTTP library would."""
    async with raw_servers() as start:
        yield start


@pytest.fixture
async def sender() -> AsyncIterator[HttpSender]:
    async with HttpSender() as sender:
        yield sender


@pytest.fixture
async def queue(start_daemon: StartDaemon) -> Queue:
    return await start_queue(start_daemon)


@pytest.fixture
def rewrite(tmp_path: Path) -> Rewrite:
    """Edit the daemon's config."""

    def edit(old: str, new: str) -> None:
        path = tmp_path / "config.yaml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return edit
