"""SIGKILL at random: an ordered lane stays in order, and an open breaker stays open."""

import asyncio
import random
import sqlite3
from pathlib import Path

import aiohttp
from aiohttp import web
from patience import HANG_S
from rig import Sink, always
from rig_process import MakeDaemon

from dispatchd.store.sqlite.rows import from_key

WINDOW = 10  # events of one sender that have not arrived: the lane keeps up with such a load


def ids_in_order(database: Path) -> list[str]:
    connection = sqlite3.connect(database)
    try:
        rows = connection.execute("SELECT id FROM events ORDER BY seq").fetchall()
    finally:
        connection.close()
    return [from_key(row[0]) for row in rows]


async def test_an_ordered_lane_is_in_order_whenever_it_is_killed(
    make_daemon: MakeDaemon, sink: Sink, http: aiohttp.ClientSession
) -> None:
    """The destination may see an event again, but never one that is before the last it saw."""
    rng = random.Random(11)
    options = ", ordered: true, retry: {jitter: 0, backoff: [10ms], max_attempts: 100}"
    daemon = make_daemon(sink.url, options=options)

    async def flaky(_request: web.Request, _count: int) -> web.Response:
        return web.Response(status=rng.choice([200, 200, 500]))

    sink.answer = flaky
    acked: list[str] = []
    serving, done = asyncio.Event(), asyncio.Event()

    async def sender(number: int) -> None:
        own: list[str] = []

        def kept_up_with() -> bool:
            return len(set(own) - set(sink.event_ids())) < WINDOW

        while not done.is_set():
            await sink.wait_until(kept_up_with)
            await serving.wait()
            try:
                status, document, _ = await daemon.post(http, b"%d" % number)
            except (aiohttp.ClientError, OSError):
                continue
            if status == 202:
                acked.append(document["event_id"])
                own.append(document["event_id"])

    await daemon.start()
    serving.set()
    senders = [asyncio.create_task(sender(number)) for number in range(3)]
    for _ in range(6):
        await sink.wait_for(len(sink.received) + rng.randint(3, 40))
        serving.clear()
        await daemon.kill()
        daemon.check_database()
        await daemon.start()
        serving.set()
    done.set()
    await asyncio.gather(*senders)
    sink.answer = None
    while not set(acked) <= set(sink.event_ids()):
        await sink.wait_for(len(sink.received) + 1)
    assert await daemon.terminate() == 0
    place = {event_id: n for n, event_id in enumerate(ids_in_order(daemon.database))}
    seen = [place[event_id] for event_id in sink.event_ids()]
    assert seen == sorted(seen)
    assert len(set(seen)) > 30


async def test_an_open_breaker_is_open_after_a_kill(
    make_daemon: MakeDaemon, sink: Sink, http: aiohttp.ClientSession
) -> None:
    options = ", max_in_flight: 1, breaker: {open_after: 2, probe_every: 1h, max_probe_every: 1h}"
    daemon = make_daemon(sink.url, options=options)
    sink.answer = always(500)
    await daemon.start()
    for n in range(3):
        status, _, _ = await daemon.post(http, b"%d" % n)
        assert status == 202
    await daemon.log.wait_for("lane_held", kind="breaker")
    async with asyncio.timeout(HANG_S):
        while not held(daemon.database):
            await asyncio.sleep(0)
    await daemon.kill()
    await daemon.start()
    await daemon.log.wait_for("lane_held", kind="breaker")
    status, _, _ = await daemon.post(http, b"4")
    assert status == 202
    before = len(sink.received)
    assert await daemon.terminate() == 0
    assert len(sink.received) == before == 2


def held(database: Path) -> bool:
    connection = sqlite3.connect(database)
    try:
        return connection.execute("SELECT 1 FROM holds").fetchone() is not None
    finally:
        connection.close()
