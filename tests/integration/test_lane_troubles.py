"""Lanes in trouble: looks that fail, replays in flight, memory that is short, a store that errs."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from nouns import an_event
from replays import replayed
from rig import Daemon, FakeClock, Sink, StartDaemon, failing_first, holding, simple_config

from dispatchd.deliver import room
from dispatchd.errors import StoreUnavailable
from dispatchd.store import store_from_url
from dispatchd.store.base import Claimed
from dispatchd.store.jobs import ReplayQuery
from dispatchd.store.sqlite import SqliteStore

A_SECOND_OR_SO = 3


async def owed_by_another(path: Path, clock: FakeClock, events: int, *names: str) -> None:
    """Keep events from another process, or as a daemon that was killed leaves them."""
    store = store_from_url(f"sqlite:///{path}/dispatchd.db")
    await store.open()
    for _ in range(events):
        await store.add_event(an_event(received_ms=clock.now_ms()), names)
    await store.close()


async def seconds_pass(daemon: Daemon, clock: FakeClock, seconds: int) -> None:
    """Let time pass a second at a time, and the database's threads have their say."""
    for _ in range(seconds):
        for _ in range(5):
            await daemon.store.stats(0)  # a write would be noticed: that is a look
        clock.advance(1.0)
    for _ in range(5):
        await daemon.store.stats(0)  # a write would be noticed: that is a look


async def test_a_look_that_failed_is_made_again_at_once(
    start_daemon: StartDaemon, sink: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was to be looked for was forgotten: it waited for the next look, 30 s later."""
    claim = SqliteStore.claim
    faults = [StoreUnavailable("io", "disk I/O error")]

    async def faulty(self: SqliteStore, *args: Any) -> Claimed:
        if faults:
            raise faults.pop()
        return await claim(self, *args)

    monkeypatch.setattr(SqliteStore, "claim", faulty)
    clock = FakeClock()
    await owed_by_another(tmp_path, clock, 1, "crm")
    daemon = await start_daemon(simple_config(sink), clock=clock)
    await daemon.log.wait_for("storage_fault")
    await seconds_pass(daemon, clock, A_SECOND_OR_SO)
    await sink.wait_for(1)


async def test_a_replay_of_what_is_in_flight_goes_out_once_that_has_ended(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    """The look that it caused passed the delivery over, and the next came 30 s later."""
    answer = asyncio.Event()
    sink.answer = holding(answer)
    clock = FakeClock()
    daemon = await start_daemon(simple_config(sink), clock=clock)
    event_id = await daemon.accepted(b"{}")
    await sink.wait_for(1)
    assert await replayed(daemon.store, ReplayQuery([event_id]), clock.now_ms()) == 1
    await seconds_pass(daemon, clock, A_SECOND_OR_SO)
    answer.set()
    await daemon.log.wait_for("attempt", number=1)
    await seconds_pass(daemon, clock, A_SECOND_OR_SO)
    await daemon.log.wait_for("attempt", number=2, result="success")


def many_lanes(url: str, lanes: int) -> str:
    names = [f"d{n}" for n in range(lanes)]
    lines = "\n".join(f"  {name}: {{url: '{url}'}}" for name in names)
    return (
        f"endpoints:\n  my-slug: {{auth: none, destinations: [{', '.join(names)}]}}\n"
        f"destinations:\n{lines}\n"
    )


async def test_lanes_that_wait_for_room_do_not_wake_each_other_for_ever(
    start_daemon: StartDaemon, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each gave back the room of a look in vain, which woke the next: 5,700 looks a second."""
    monkeypatch.setattr(room, "SOFT_MAX_BYTES", 1_000_000)
    monkeypatch.setattr(room, "HARD_MAX_BYTES", 2_000_000)
    looks = 0
    claim = SqliteStore.claim

    async def counted(self: SqliteStore, *args: Any) -> Claimed:
        nonlocal looks
        looks += 1
        return await claim(self, *args)

    answer = asyncio.Event()
    sink.answer = holding(answer)
    clock = FakeClock()
    daemon = await start_daemon(many_lanes(sink.url, 4), clock=clock)
    for _ in range(10):
        await daemon.accepted(b'"' + b"x" * 70_000 + b'"', secret=None)
    await seconds_pass(daemon, clock, 1)
    monkeypatch.setattr(SqliteStore, "claim", counted)
    for _ in range(100):
        await daemon.store.stats(0)  # a write would be noticed: that is a look
    assert looks <= 8
    answer.set()
    await daemon.log.wait_for("attempt", count=40, result="success")


async def test_the_bound_on_memory_counts_what_a_small_delivery_takes_beside_its_body(
    start_daemon: StartDaemon, sink: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look asked for bytes of bodies alone: 256 tiny events took half a megabyte a lane."""
    monkeypatch.setattr(room, "SOFT_MAX_BYTES", 1_000_000)
    monkeypatch.setattr(room, "HARD_MAX_BYTES", 2_000_000)
    most_bytes = 0
    take = room.Room.take

    def watched(self: room.Room, size_bytes: int) -> None:
        nonlocal most_bytes
        take(self, size_bytes)
        most_bytes = max(most_bytes, self.used_bytes)

    monkeypatch.setattr(room.Room, "take", watched)
    answer = asyncio.Event()
    sink.answer = holding(answer)
    clock = FakeClock()
    names = [f"d{n}" for n in range(20)]
    await owed_by_another(tmp_path, clock, 150, *names)
    daemon = await start_daemon(many_lanes(sink.url, 20), clock=clock)
    await sink.wait_for(20 * 16)
    await seconds_pass(daemon, clock, A_SECOND_OR_SO)
    assert most_bytes <= 1_000_000 + 20 * room.SMALL_BYTES
    answer.set()
    await daemon.log.wait_for("attempt", count=20 * 150, result="success")


async def test_the_bound_on_memory_counts_headers(
    start_daemon: StartDaemon, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 56 KB of headers each event kept none was counted: 4,000 of them took 240 MB."""
    monkeypatch.setattr(room, "SOFT_MAX_BYTES", 1_000_000)
    monkeypatch.setattr(room, "HARD_MAX_BYTES", 2_000_000)
    answer = asyncio.Event()
    sink.answer = holding(answer)
    daemon = await start_daemon(simple_config(sink, ", max_in_flight: 2"))
    headers = {f"X-Pad-{n}": "y" * 7000 for n in range(8)}
    for n in range(60):
        await daemon.accepted(b"%d" % n, headers=headers)
    lane = daemon.app._lanes._lanes["crm"]
    assert len(lane._ready) * 56_000 < 1_000_000
    answer.set()
    await daemon.log.wait_for("attempt", count=60, result="success")
    async with asyncio.timeout(20):
        while lane._backlog._room.used_bytes:  # the last look may be under way, with its room taken
            await daemon.store.stats(0)


async def test_whatever_the_store_raises_a_result_is_kept_or_its_delivery_released(
    start_daemon: StartDaemon, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was neither of the store's own two errors left the delivery in hand for ever."""
    record = SqliteStore.record
    faults: list[Exception] = [MemoryError(), ValueError("no active connection")]

    def faulty(self: SqliteStore, *args: Any) -> "asyncio.Future[None]":
        if not faults:
            return record(self, *args)
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        failed.set_exception(faults.pop())
        return failed

    monkeypatch.setattr(SqliteStore, "record", faulty)
    clock = FakeClock()
    daemon = await start_daemon(simple_config(sink), clock=clock)
    event_id = await daemon.accepted(b"{}")
    await daemon.log.wait_for("internal_error", count=2)
    await seconds_pass(daemon, clock, 1)
    clock.advance(300)
    await seconds_pass(daemon, clock, A_SECOND_OR_SO)
    await daemon.log.wait_for("attempt", result="success")
    assert sink.event_ids() == [event_id, event_id]


async def test_nothing_is_sent_while_results_cannot_be_written_whatever_the_probe_says(
    start_daemon: StartDaemon, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk the probe's one page fits, and each time more was sent into nothing."""
    record = SqliteStore.record
    full = True

    async def in_vain(store: SqliteStore) -> None:
        for _ in range(5):  # a write takes its time to fail, too
            await store.version()
        raise StoreUnavailable("full", "the database is on a full disk")

    def recording(self: SqliteStore, *args: Any) -> "asyncio.Future[None]":
        return asyncio.ensure_future(in_vain(self)) if full else record(self, *args)

    monkeypatch.setattr(SqliteStore, "record", recording)
    answer = asyncio.Event()
    sink.answer = holding(answer)
    clock = FakeClock()
    daemon = await start_daemon(simple_config(sink, ", max_in_flight: 2"), clock=clock)
    for n in range(100):
        await daemon.accepted(b"%d" % n)
    await sink.wait_for(2)
    answer.set()
    await daemon.log.wait_for("storage_fault")
    sent = len(sink.received)
    async with asyncio.timeout(20):
        while len(daemon.log.of("storage_recovered")) < 7:  # a write of the probe's own succeeds
            await seconds_pass(daemon, clock, 1)
    assert len(sink.received) - sent <= 2  # on their way when the first fault was known
    full = False
    async with asyncio.timeout(20):
        while len(daemon.log.of("attempt", result="success")) < 100:  # one may fail yet
            await seconds_pass(daemon, clock, 1)
    assert len(sink.received) == len(set(sink.event_ids())) == 100


async def test_what_another_process_writes_while_the_daemon_starts_is_noticed(
    start_daemon: StartDaemon, sink: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came between the lanes' first look and the first version seen waited for 30 s."""
    version = SqliteStore.version
    clock = FakeClock()
    writes = [1]
    written = asyncio.Event()

    async def just_before(self: SqliteStore) -> int:
        if writes:
            await owed_by_another(tmp_path, clock, writes.pop(), "crm")
            written.set()
        return await version(self)

    monkeypatch.setattr(SqliteStore, "version", just_before)
    daemon = await start_daemon(simple_config(sink), clock=clock)
    await written.wait()
    await seconds_pass(daemon, clock, A_SECOND_OR_SO)
    await sink.wait_for(1)


async def test_a_retry_that_was_written_while_the_lane_was_full_is_not_overslept(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    """The lane went to sleep for half a minute, and the end of an exchange did not wake it."""
    answer = asyncio.Event()

    async def fail_then_hold(_request: web.Request, count: int) -> web.Response:
        if count == 2:
            await answer.wait()
        return web.Response(status=500 if count == 1 else 200)

    sink.answer = fail_then_hold
    clock = FakeClock()
    options = ", max_in_flight: 1, retry: {backoff: [1s], jitter: 0}"
    daemon = await start_daemon(simple_config(sink, options), clock=clock)
    await asyncio.gather(daemon.accepted(b"1"), daemon.accepted(b"2"))
    await sink.wait_for(2)
    await daemon.log.wait_for("attempt", result="retrying")
    await daemon.store.stats(0)
    answer.set()
    await daemon.log.wait_for("attempt", result="success")
    await seconds_pass(daemon, clock, A_SECOND_OR_SO)
    await sink.wait_for(3)
    await daemon.log.wait_for("attempt", number=2, result="success")


async def test_a_clock_set_back_while_a_result_waits_to_be_written_postpones_nothing(
    start_daemon: StartDaemon, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The due time was of the clock as it had been, and was written to the one set back."""
    record = SqliteStore.record
    well = False

    def recording(self: SqliteStore, *args: Any) -> "asyncio.Future[None]":
        if well:
            return record(self, *args)
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        failed.set_exception(StoreUnavailable("full", "the database is on a full disk"))
        return failed

    monkeypatch.setattr(SqliteStore, "record", recording)
    sink.answer = failing_first(1)
    clock = FakeClock()
    retry = ", retry: {backoff: [1s], jitter: 0}"
    daemon = await start_daemon(simple_config(sink, retry), clock=clock)
    await daemon.accepted(b"{}")
    await daemon.log.wait_for("storage_fault")
    clock.set_wall(-3600)
    async with asyncio.timeout(20):
        while not daemon.log.of("clock_jump"):
            await seconds_pass(daemon, clock, 1)
    await seconds_pass(daemon, clock, A_SECOND_OR_SO)
    well = True
    await seconds_pass(daemon, clock, 2 * A_SECOND_OR_SO)
    await daemon.log.wait_for("attempt", number=2, result="success")
