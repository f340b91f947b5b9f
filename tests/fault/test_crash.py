"""SIGKILL at exact points and at random: no acknowledged event is ever lost."""

import asyncio
import random
import socket
import sqlite3
from pathlib import Path

import aiohttp
from aiohttp import web
from locks import write_lock
from patience import HANG_S
from rig import Sink, holding
from rig_process import MakeDaemon

QUICK = ", retry: {jitter: 0, backoff: [100ms]}"


async def test_killed_after_the_202_and_before_delivery(
    make_daemon: MakeDaemon, http: aiohttp.ClientSession
) -> None:
    """The destination's kernel takes the connection, but nobody reads from it."""
    deaf = socket.create_server(("127.0.0.1", 0))
    port = deaf.getsockname()[1]
    daemon = make_daemon(f"http://127.0.0.1:{port}/")
    await daemon.start()
    acked = set()
    for n in range(30):
        status, document, _ = await daemon.post(http, b'{"n":%d}' % n)
        assert status == 202
        acked.add(document["event_id"])
    await daemon.kill()
    deaf.close()
    daemon.check_database()

    sink = Sink()
    app = web.Application()
    app.router.add_post("/", sink.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
    await daemon.start()
    await daemon.log.wait_for("attempt", count=30, result="success")
    assert set(sink.event_ids()) == acked
    assert await daemon.terminate() == 0
    await runner.cleanup()
    daemon.check_database()


async def test_killed_after_the_destination_read_it_and_before_the_result(
    make_daemon: MakeDaemon, sink: Sink, http: aiohttp.ClientSession
) -> None:
    daemon = make_daemon(sink.url)

    async def kill_first(_request: web.Request, count: int) -> web.Response:
        if count == 1:
            daemon.process.kill()
        return web.Response(text="ok")

    sink.answer = kill_first
    await daemon.start()
    status, document, _ = await daemon.post(http, b'{"action":"once"}')
    assert status == 202
    await sink.wait_for(1)
    await daemon.kill()
    daemon.check_database()
    await daemon.start()
    await daemon.log.wait_for("attempt", number=1, result="success")
    assert sink.event_ids() == [document["event_id"]] * 2
    assert [body for _, body in sink.received] == [b'{"action":"once"}'] * 2
    assert await daemon.terminate() == 0
    daemon.check_database()


async def test_killed_between_the_answer_and_its_record(
    make_daemon: MakeDaemon, sink: Sink, http: aiohttp.ClientSession
) -> None:
    """The destination said 200, the database would not take the result, and then the power went."""
    daemon = make_daemon(sink.url)
    gate = asyncio.Event()
    sink.answer = holding(gate, text="ok")
    await daemon.start()
    _, document, _ = await daemon.post(http, b"{}")
    await sink.wait_for(1)
    with write_lock(daemon.database):
        gate.set()
        await daemon.log.wait_for("storage_fault", reason="locked")
        await daemon.kill()
    daemon.check_database()
    await daemon.start()
    await daemon.log.wait_for("attempt", number=1, result="success")
    assert sink.event_ids() == [document["event_id"]] * 2
    await daemon.terminate()
    daemon.check_database()


async def test_killed_at_random_under_load(
    make_daemon: MakeDaemon, sink: Sink, http: aiohttp.ClientSession
) -> None:
    rng = random.Random(7)
    daemon = make_daemon(sink.url, options=QUICK)

    async def flaky(_request: web.Request, _count: int) -> web.Response:
        return web.Response(status=rng.choice([200, 200, 200, 500]), text="x")

    sink.answer = flaky
    acked: set[str] = set()
    serving = asyncio.Event()
    done = asyncio.Event()

    async def sender(number: int) -> None:
        n = 0
        while not done.is_set():
            await serving.wait()
            n += 1
            try:
                status, document, _ = await daemon.post(http, b'{"s":%d,"n":%d}' % (number, n))
            except (aiohttp.ClientError, OSError):
                continue  # not acknowledged: a real sender would try again
            if status == 202:
                acked.add(document["event_id"])

    await daemon.start()
    serving.set()
    senders = [asyncio.create_task(sender(i)) for i in range(8)]
    for round_number in range(1, 7):
        await sink.wait_for(len(sink.received) + rng.randint(5, 120))
        serving.clear()
        await daemon.kill()
        daemon.check_database()
        await daemon.start()
        serving.set()
        assert len(acked) >= round_number
    done.set()
    await asyncio.gather(*senders)
    sink.answer = None
    async with asyncio.timeout(HANG_S):
        while missing(daemon.database):
            await daemon.log.wait_for("attempt", count=len(daemon.log.of("attempt")) + 1)
    assert acked <= set(sink.event_ids())
    assert await daemon.terminate() == 0
    daemon.check_database()


def missing(database: Path) -> int:
    """Return how many deliveries have not ended yet."""
    connection = sqlite3.connect(database)
    try:
        (count,) = connection.execute(
            "SELECT count(*) FROM deliveries WHERE status IN ('queued', 'retrying')"
        ).fetchone()
    finally:
        connection.close()
    return int(count)
