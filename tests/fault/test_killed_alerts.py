"""SIGKILL at random: every failure is told of once, however the daemon ends."""

import asyncio
import json
import random
import sqlite3
from pathlib import Path

import aiohttp
from aiohttp import web
from patience import HANG_S
from rig import Sink
from rig_process import MakeDaemon


def kept(database: Path) -> tuple[int, int]:
    """Return how many deliveries failed for good, and how many of them alerts have told."""
    connection = sqlite3.connect(database)
    try:
        (failed,) = connection.execute(
            "SELECT failed_count FROM lanes WHERE destination = 'crm'"
        ).fetchone()
        bodies = connection.execute("SELECT body FROM events WHERE endpoint = 'dispatchd:alerts'")
        return failed, sum(json.loads(body)["count"] for (body,) in bodies)
    finally:
        connection.close()


async def test_killed_at_any_time_it_neither_repeats_nor_forgets(
    make_daemon: MakeDaemon, sink: Sink, http: aiohttp.ClientSession
) -> None:
    rng = random.Random(5)
    told: dict[str, int] = {}  # count by event: one that was in flight at a kill comes again

    async def by_path(request: web.Request, _count: int) -> web.Response:
        if request.path != "/ops":
            return web.Response(status=500)
        told[request.headers["X-Dispatch-Event-ID"]] = (await request.json())["count"]
        return web.Response()

    sink.answer = by_path
    daemon = make_daemon(
        sink.url,
        options=", retry: {max_attempts: 1}",
        extra=f"  ops: {{url: '{sink.url}ops'}}\n"
        "alerts:\n  - {to: ops, on: [delivery_failed], every: 1s}\n",
    )
    for _ in range(5):
        await daemon.start()
        for n in range(rng.randint(1, 8)):
            status, _, _ = await daemon.post(http, b"%d" % n)
            assert status == 202
        await daemon.log.wait_for("attempt", destination="crm")
        if rng.random() < 0.7:
            await daemon.log.wait_for("alert")
        await daemon.kill()
        daemon.check_database()
    await daemon.start()
    async with asyncio.timeout(HANG_S):
        while (counts := kept(daemon.database))[0] != counts[1]:
            await asyncio.sleep(0)
        while sum(told.values()) != counts[1]:
            await sink.wait_for(len(sink.received) + 1)
    assert await daemon.terminate() == 0
    assert kept(daemon.database) == counts
    assert counts[0] >= 5
