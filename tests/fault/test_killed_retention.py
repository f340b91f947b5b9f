"""Killed while it prunes: nothing that is owed is gone, nothing is left half deleted."""

import asyncio
import signal
import sqlite3
from contextlib import closing

import aiohttp
from aiohttp import web
from patience import HANG_S
from rig import Sink
from rig_process import MakeDaemon, ProcessDaemon

ENDED = 400
OWED = 30
POLL_S = 0.02


def rows(daemon: ProcessDaemon) -> int:
    with closing(sqlite3.connect(daemon.database)) as connection:
        return int(connection.execute("SELECT count(*) FROM events").fetchone()[0])


def reload(daemon: ProcessDaemon, old: str, new: str) -> None:
    text = daemon._config.read_text()
    assert old in text
    daemon._config.write_text(text.replace(old, new))
    daemon.process.send_signal(signal.SIGHUP)


async def test_killed_while_pruning(
    make_daemon: MakeDaemon, sink: Sink, http: aiohttp.ClientSession
) -> None:
    """Also: the reload takes effect at once, and the file shrinks under the running daemon."""
    gate = asyncio.Event()

    async def answer(_request: web.Request, count: int) -> web.Response:
        if count > ENDED:
            await gate.wait()
        return web.Response(text="ok")

    sink.answer = answer
    storage = ", retention: 30d"
    daemon = make_daemon(sink.url, storage=storage, options=", timeout: 60s, max_in_flight: 99")
    await daemon.start()
    for n in range(ENDED):
        status, _, _ = await daemon.post(http, b'{"n":%d,"pad":"%s"}' % (n, b"x" * 20_000))
        assert status == 202
    await daemon.log.wait_for("attempt", count=ENDED, result="success")
    owed = [(await daemon.post(http, b'{"n":%d}' % n))[1]["event_id"] for n in range(OWED)]
    await sink.wait_for(ENDED + OWED)
    full_bytes = daemon.database.stat().st_size
    reload(daemon, "retention: 30d", "retention: {events: 1s, failed: 1s}")
    async with asyncio.timeout(HANG_S):
        while rows(daemon) > ENDED + OWED - 50:
            await asyncio.sleep(POLL_S)
    await daemon.kill()
    left = rows(daemon)
    assert OWED <= left < ENDED + OWED
    daemon.check_database()
    await daemon.start()
    gate.set()
    await daemon.log.wait_for("attempt", count=OWED, result="success")
    assert set(owed) <= set(sink.event_ids())
    reload(daemon, "events: 1s, failed: 1s", "events: 2s, failed: 2s")
    async with asyncio.timeout(HANG_S):
        while rows(daemon) > OWED or daemon.database.stat().st_size > full_bytes / 4:
            await asyncio.sleep(POLL_S)
    assert await daemon.terminate() == 0
    daemon.check_database()
