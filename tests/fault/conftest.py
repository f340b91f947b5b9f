"""Fixtures of the fault tests: daemons in processes, and a destination in this one."""

import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from patience import HANG_S
from rig import SECRET, Sink
from rig_process import MakeDaemon, ProcessDaemon


@pytest.fixture(autouse=True)
def _patient_evaluators(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give processes that evaluate here as long as a slow machine takes to start and end one."""
    monkeypatch.setattr("dispatchd.evaluate.evaluator.START_DEADLINE_S", HANG_S)
    monkeypatch.setattr("dispatchd.evaluate.evaluator.DEATH_DEADLINE_S", HANG_S)


@pytest.fixture
async def make_daemon(tmp_path: Path) -> AsyncIterator[MakeDaemon]:
    """Prepare daemons (not started) on one database; whatever still runs is killed at the end."""
    made: list[ProcessDaemon] = []

    def make(
        url: str,
        *,
        options: str = "",
        extra: str = "",
        storage: str = "",
        directory: Path = tmp_path,
        wrapper: tuple[str, ...] = (),
    ) -> ProcessDaemon:
        database = directory / "dispatchd.db"
        config = tmp_path / "config.yaml"
        config.write_text(
            textwrap.dedent(f"""
            server: {{listen: '127.0.0.1:0'}}
            storage: {{url: 'sqlite:///{database}'{storage}}}
            endpoints:
              my-slug: {{secret: {SECRET}, event_type_path: action, destinations: [crm]}}
            destinations:
              crm: {{url: '{url}'{options}}}
            """)
            + extra
        )
        daemon = ProcessDaemon(config, database, wrapper)
        made.append(daemon)
        return daemon

    yield make
    for daemon in made:
        if daemon._process is not None:
            await daemon.kill()


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    sink = Sink()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", sink.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sink.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield sink
    await runner.cleanup()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session
