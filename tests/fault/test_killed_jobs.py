"""SIGKILL in the middle of a replay: it goes on, and replays nothing twice."""

import asyncio
import sqlite3
import sys
from pathlib import Path

import aiohttp
from patience import HANG_S
from rig import Sink
from rig_process import MakeDaemon

from dispatchd.store import store_from_url
from dispatchd.store.jobs import Job, JobState, ReplayQuery

EVENTS = 40


async def job(database: Path) -> Job:
    store = store_from_url(f"sqlite:///{database}")
    await store.open()
    (found,) = await store.find_jobs(9)
    await store.close()
    return found


async def test_a_killed_replay_goes_on_and_replays_nothing_twice(
    make_daemon: MakeDaemon, http: aiohttp.ClientSession, sink: Sink
) -> None:
    daemon = make_daemon(sink.url)
    await daemon.start()
    for n in range(EVENTS):
        status, _, _ = await daemon.post(http, b'{"n":%d}' % n)
        assert status == 202
    await daemon.log.wait_for("attempt", count=EVENTS, result="success")
    store = store_from_url(f"sqlite:///{daemon.database}")
    await store.open()
    await store.add_job(ReplayQuery(destination="crm"), 25.0, 0)
    await store.close()
    for _ in range(3):
        await sink.wait_for(len(sink.received) + 5)
        await daemon.kill()
        daemon.check_database()
        half = await job(daemon.database)
        assert half.state is JobState.RUNNING
        assert half.looked == half.replayed < EVENTS
        await daemon.start()
    await daemon.log.wait_for("job_ended", state="done", replayed=EVENTS)
    connection = sqlite3.connect(daemon.database)
    assert connection.execute("SELECT DISTINCT replays FROM deliveries").fetchall() == [(1,)]
    connection.close()
    async with asyncio.timeout(HANG_S):
        while set(map(sink.event_ids().count, sink.event_ids())) & {1}:
            await sink.wait_for(len(sink.received) + 1)
    assert await daemon.terminate() == 0
    daemon.check_database()


async def test_what_a_killed_command_began_a_daemon_ends(
    make_daemon: MakeDaemon, http: aiohttp.ClientSession, sink: Sink
) -> None:
    daemon = make_daemon(sink.url)
    await daemon.start()
    for n in range(EVENTS):
        await daemon.post(http, b'{"n":%d}' % n)
    await daemon.log.wait_for("attempt", count=EVENTS, result="success")
    assert await daemon.terminate() == 0
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dispatchd", "replay", "--status", "any", "--rate", "20/s"),
        *("--config", str(daemon._config)),
    )
    store = store_from_url(f"sqlite:///{daemon.database}")
    await store.open()
    async with asyncio.timeout(HANG_S):
        while not [job for job in await store.find_jobs(9) if job.replayed]:
            pass
    await store.close()
    command.kill()
    await command.wait()
    half = await job(daemon.database)
    assert half.state is JobState.RUNNING
    assert 0 < half.replayed < EVENTS
    await daemon.start()
    await daemon.log.wait_for("job_ended", state="done", replayed=EVENTS)
    connection = sqlite3.connect(daemon.database)
    assert connection.execute("SELECT DISTINCT replays FROM deliveries").fetchall() == [(1,)]
    connection.close()
    await sink.wait_for(2 * EVENTS)
    assert await daemon.terminate() == 0
