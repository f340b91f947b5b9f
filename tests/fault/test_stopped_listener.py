"""A `listen` that is stopped (SIGSTOP), as by a laptop that sleeps, while events go on coming."""

import asyncio
import signal
from pathlib import Path

import aiohttp
from rig import Sink
from rig_listen import listening
from rig_process import MakeDaemon, ProcessDaemon
from rig_served import free_port
from rig_sinks import MakeSink

TOKEN = "an-admin-token-of-some-length"
EVENTS = 2000
BODY_BYTES = 8 * 1024  # all of them together are more than sockets and the ring hold
SENDERS = 16
GROWTH_MAX_KB = 40 * 1024  # the ring's 8 MiB and what it spells; not 2,000 events for each


def rss_kb(daemon: ProcessDaemon) -> int:
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


async def post(daemon: ProcessDaemon, http: aiohttp.ClientSession, count: int) -> list[str]:
    """Post events, some at a time; each is accepted. Returns their ids."""
    left, ids = iter(range(count)), list[str]()

    async def one_after_the_other() -> None:
        for n in left:
            status, document, _ = await daemon.post(
                http, b'{"n": %d, "x": "%s"}' % (n, b"x" * BODY_BYTES)
            )
            assert status == 202, document
            ids.append(document["event_id"])

    await asyncio.gather(*(one_after_the_other() for _ in range(SENDERS)))
    return ids


async def arrived(sink: Sink, ids: list[str]) -> list[str]:
    """Wait for these; return all that came. However slow: as long as it moves."""
    while not set(ids) <= set(sink.event_ids()):
        await sink.wait_for(len(sink.received) + 1)
    return sink.event_ids()


async def test_a_listener_that_is_stopped_holds_up_nobody_and_misses_nothing(
    make_daemon: MakeDaemon, sink_factory: MakeSink, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """Senders get their 202, the destination its deliveries, another listener its events."""
    destination, stopped_at, other_at = [await sink_factory() for _ in range(3)]
    admin = free_port()
    daemon = make_daemon(
        destination.url, extra=f"admin: {{listen: '127.0.0.1:{admin}', token: {TOKEN}}}\n"
    )
    await daemon.start()
    where = ("--url", f"http://127.0.0.1:{admin}")
    async with (
        listening(tmp_path, "my-slug", "--forward", stopped_at.url, *where, token=TOKEN) as one,
        listening(tmp_path, "my-slug", "--forward", other_at.url, *where, token=TOKEN) as other,
    ):
        await asyncio.gather(one.ready(), other.ready())
        first = await post(daemon, http, 50)
        for sink in (destination, stopped_at, other_at):
            await arrived(sink, first)
        before_kb = rss_kb(daemon)
        one.process.send_signal(signal.SIGSTOP)
        seen = len(stopped_at.received)
        ids = await post(daemon, http, EVENTS)
        await arrived(destination, ids)
        in_order = await arrived(other_at, ids)
        assert len(stopped_at.received) == seen  # it is stopped indeed
        assert rss_kb(daemon) - before_kb < GROWTH_MAX_KB
        one.process.send_signal(signal.SIGCONT)
        assert await arrived(stopped_at, ids) == in_order
        assert len(in_order) == len(set(in_order)) == EVENTS + 50
    assert not daemon.log.of("internal_error")
    assert await daemon.terminate() == 0
