"""Fixtures of the fault tests: daemons in processes, and a destination in this one."""

import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from patience import HANG_S
from rig import SECRET, Sink
from rig_process import MakeDaemon, ProcessDaemon
from rig_sinks import MakeSink, making_sinks


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
async def sink_factory() -> AsyncIterator[MakeSink]:
    async with making_sinks() as make:
        yield make


@pytest.fixture
async def sink(sink_factory: MakeSink) -> Sink:
    return await sink_factory()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session
