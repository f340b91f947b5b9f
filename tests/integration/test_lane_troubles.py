"""Lanes in trouble: looks that fail, replays in flight, a store that errs."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from patience import HANG_S
from replays import replayed
from rig import FakeClock, Sink, StartDaemon, failing_first, holding, simple_config
from rig_lanes import A_SECOND_OR_SO, owed_by_another, seconds_pass

from dispatchd.deliver import lane
from dispatchd.deliver.backlog import CLAIM_MAX
from dispatchd.errors import StoreUnavailable
from dispatchd.store.base import Claimed
from dispatchd.store.jobs import ReplayQuery
from dispatchd.store.sqlite import SqliteStore


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


async def test_a_backlog_is_worked_off_with_few_results_unwritten(
    start_daemon: StartDaemon, sink: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds at a time held up the webhooks of others, which wait for the same commits."""
    record = SqliteStore.record
    unwritten: list[Any] = []

    def later(self: SqliteStore, *args: Any, **named: Any) -> asyncio.Future[None]:
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def write() -> None:
            record(self, *args, **named).add_done_callback(lambda _: kept.set_result(None))

        unwritten.append(write)
        return kept

    monkeypatch.setattr(SqliteStore, "record", later)
    clock = FakeClock()
    owed = 100 + 2 * CLAIM_MAX
    await owed_by_another(tmp_path, clock, owed, "crm")
    daemon = await start_daemon(simple_config(sink, ", max_in_flight: 4"), clock=clock)
    most = lane.DRAIN_UNRECORDED_MAX + 4 - 1
    async with asyncio.timeout(HANG_S):
        while len(unwritten) < lane.DRAIN_UNRECORDED_MAX:
            await daemon.store.ping()
    for _ in range(50):
        await daemon.store.ping()  # whoever would send another has every chance to
    assert len(sink.received) <= most
    async with asyncio.timeout(HANG_S):
        while len(sink.received) < owed or unwritten:
            if len(sink.received) <= 100:  # after the last look there is no more to hold back
                assert len(unwritten) <= most
            written, unwritten[:] = unwritten[:], []
            for write in written:
                write()
            await daemon.store.ping()


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


async def test_whatever_the_store_raises_a_result_is_kept_or_its_delivery_released(
    start_daemon: StartDaemon, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was neither of the store's own two errors left the delivery in hand for ever."""
    record = SqliteStore.record
    faults: list[Exception] = [MemoryError(), ValueError("no active connection")]

    def faulty(self: SqliteStore, *args: Any, **named: Any) -> "asyncio.Future[None]":
        if not faults:
            return record(self, *args, **named)
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

    def recording(self: SqliteStore, *args: Any, **named: Any) -> "asyncio.Future[None]":
        return asyncio.ensure_future(in_vain(self)) if full else record(self, *args, **named)

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
    async with asyncio.timeout(HANG_S):
        while len(daemon.log.of("storage_recovered")) < 7:  # a write of the probe's own succeeds
            await seconds_pass(daemon, clock, 1)
    assert len(sink.received) - sent <= 2  # on their way when the first fault was known
    full = False
    async with asyncio.timeout(HANG_S):
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

    def recording(self: SqliteStore, *args: Any, **named: Any) -> "asyncio.Future[None]":
        if well:
            return record(self, *args, **named)
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
    async with asyncio.timeout(HANG_S):
        while not daemon.log.of("clock_jump"):
            await seconds_pass(daemon, clock, 1)
    await seconds_pass(daemon, clock, A_SECOND_OR_SO)
    well = True
    await seconds_pass(daemon, clock, 2 * A_SECOND_OR_SO)
    await daemon.log.wait_for("attempt", number=2, result="success")
