"""SIGKILL of the daemon while others follow it: after the restart they have missed nothing."""

import asyncio
from pathlib import Path

import aiohttp
from rig import Sink
from rig_listen import listening
from rig_process import MakeDaemon, ProcessDaemon
from rig_served import free_port

TOKEN = "an-admin-token-of-some-length"


async def post_until(
    done: asyncio.Event, daemon: ProcessDaemon, http: aiohttp.ClientSession, acked: list[str]
) -> None:
    """Post one after the other, as a sender does: what is not acknowledged is posted again."""
    n = 0
    while not done.is_set():
        n += 1
        try:
            status, document, _ = await daemon.post(http, b'{"n":%d}' % n)
        except (aiohttp.ClientError, OSError):
            await asyncio.sleep(0)
            continue
        if status == 202:
            acked.append(document["event_id"])


async def test_listen_misses_nothing_over_kills_of_the_daemon(
    make_daemon: MakeDaemon, sink: Sink, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """The local program sees every acknowledged event, each once, in the order of commits."""
    admin = free_port()
    daemon = make_daemon(
        "http://127.0.0.1:9/",
        extra=f"admin: {{listen: '127.0.0.1:{admin}', token: {TOKEN}}}\n",
    )
    await daemon.start()
    args = ("my-slug", "--forward", sink.url, "--url", f"http://127.0.0.1:{admin}")
    done, acked = asyncio.Event(), list[str]()
    async with listening(tmp_path, *args, token=TOKEN) as one:
        await one.ready()
        posting = asyncio.create_task(post_until(done, daemon, http, acked))
        for _ in range(3):
            await sink.wait_for(len(sink.received) + 50)
            await daemon.kill()
            daemon.check_database()
            await daemon.start()
        await sink.wait_for(len(sink.received) + 50)
        done.set()
        await posting
        await sink.wait_until(lambda: set(acked) <= set(sink.event_ids()))
        brought = sink.event_ids()
        assert len(brought) == len(set(brought))
        # An event may be on disk whose sender was not told: it is brought too.
        assert [event_id for event_id in brought if event_id in set(acked)] == acked
        assert sum("; trying again" in line for line in one.err) >= 3
        assert sum("is back" in line for line in one.err) == 3
    assert await daemon.terminate() == 0


async def test_listen_killed_itself_goes_on_where_it_was(
    make_daemon: MakeDaemon, sink: Sink, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """Its place may be a second old by then: what it brought since is brought again."""
    admin = free_port()
    daemon = make_daemon(
        "http://127.0.0.1:9/",
        extra=f"admin: {{listen: '127.0.0.1:{admin}', token: {TOKEN}}}\n",
    )
    await daemon.start()
    args = ("my-slug", "--forward", sink.url, "--url", f"http://127.0.0.1:{admin}")
    acked: list[str] = []

    async def post() -> None:
        _, document, _ = await daemon.post(http, b'{"n":%d}' % len(acked))
        acked.append(document["event_id"])

    async with listening(tmp_path, *args, token=TOKEN) as one:
        await one.ready()
        for n in range(10):
            await post()
            await sink.wait_for(n + 1)
        await one.lines(1)
        await one.kill()
    for _ in range(10):
        await post()
    async with listening(tmp_path, *args, "--resume", token=TOKEN) as one:
        await sink.wait_until(lambda: set(acked) <= set(sink.event_ids()))
        await one.stop()
    assert sink.event_ids()[:10] == acked[:10]
    assert sink.event_ids()[-10:] == acked[10:]
    assert await daemon.terminate() == 0
