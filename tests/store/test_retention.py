"""Retention over a real store: what goes, what never does, what becomes of its space."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from asking import add, claimed
from locks import write_lock
from nouns import NOW_MS, an_attempt, an_event
from patience import HANG_S
from rig import FakeClock

from dispatchd.facts import Fact, HistoryPruned
from dispatchd.model import Attempt, Dead, Delivered, Event, RetryAt
from dispatchd.store.base import EventQuery, Idempotency
from dispatchd.store.jobs import ReplayQuery
from dispatchd.store.retention import Cuts, prune_all
from dispatchd.store.sqlite import SqliteStore
from dispatchd.upkeep.retention import (
    BATCH_S,
    EVERY_MAX_S,
    EVERY_MIN_S,
    REST_TIMES,
    ROWS_MAX,
    ROWS_MIN,
    TICK_S,
    HistoryRetention,
    every_s,
    next_rows,
    rest_s,
)
from dispatchd.upkeep.spec import StorageSpec

DAY_MS = 86_400_000
SPEC = StorageSpec(events_ms=30 * DAY_MS, failed_ms=90 * DAY_MS)
MIB = 1024 * 1024
STEP_S = 0.5


class Rig:
    """A store, a clock, and the duty, whose facts are kept."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = FakeClock()
        self.store = SqliteStore(str(path), busy_timeout_ms=1)
        self.told: list[Fact] = []
        self.begin(SPEC)

    def to_file(self) -> None:
        """Have the database's own file hold all that was written."""
        with closing(sqlite3.connect(self.path)) as connection:
            assert connection.execute("PRAGMA wal_checkpoint").fetchone()[0] == 0

    def begin(self, spec: StorageSpec) -> None:
        """Begin anew, by another config."""
        self.retention = HistoryRetention(spec, self.store, self.clock, self.told.append)

    async def keep(
        self, age_days: float, *, ends: str = "", body: bytes = b"{}", count: int = 1
    ) -> list[Event]:
        """Keep events of an age; `ends` is how their delivery does, empty for no destination."""
        received_ms = self.clock.now_ms() - round(age_days * DAY_MS)
        events = [an_event(received_ms=received_ms + n, body=body) for n in range(count)]
        await asyncio.gather(*(self._keep(event, ends) for event in events))
        return events

    async def _keep(self, event: Event, ends: str) -> None:
        if not ends:
            await self.store.add_event(event, [])
            return
        (delivery,) = await add(self.store, event, "crm")
        if ends == "owed":
            return
        verdicts = {"success": Delivered(), "failed": Dead(), "retrying": RetryAt(NOW_MS)}
        attempt: Attempt = replace(an_attempt(delivery), sent=b"x" * 100)
        await self.store.record(delivery, attempt, verdicts[ends])

    async def step(self) -> None:
        """Let the duty do what is due, in time that passes as it waits."""
        stepping = asyncio.ensure_future(self.retention.step())
        async with asyncio.timeout(HANG_S):
            while not stepping.done():
                self.clock.advance(STEP_S)
                await self.store.usage()
        await stepping

    async def kept(self) -> set[str]:
        return {found.id for found in await self.store.find_events(EventQuery(limit=10_000))}

    def rows(self, table: str) -> int:
        with closing(sqlite3.connect(self.path)) as connection:
            return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path / "r.db")
    await rig.store.open()
    await rig.store.open_lanes(["crm"])
    yield rig
    await rig.store.close()


def ids(events: list[Event]) -> set[str]:
    return {event.id for event in events}


async def test_what_is_old_and_owes_nothing_goes_with_all_that_hangs_on_it(rig: Rig) -> None:
    await rig.keep(31, ends="success", count=60)
    await rig.keep(91, ends="failed")
    await rig.keep(31)
    young = await rig.keep(29, ends="success")
    await rig.step()
    assert await rig.kept() == ids(young)
    assert [rig.rows(table) for table in ("deliveries", "attempts", "sent")] == [1, 1, 1]
    (told,) = rig.told
    assert isinstance(told, HistoryPruned)
    assert (told.why, told.events, told.kept_failed, told.stuck) == ("age", 62, 0, False)


async def test_what_is_owed_stays_however_old_and_however_large(rig: Rig) -> None:
    owed = await rig.keep(400, ends="owed", body=bytes(MIB))
    owed += await rig.keep(400, ends="retrying", body=bytes(MIB))
    failed = await rig.keep(60, ends="failed")
    rig.begin(replace(SPEC, max_bytes=MIB))
    await rig.step()
    assert await rig.kept() == ids(owed)
    assert ids(failed).isdisjoint(await rig.kept())  # a bound on the size is a bound on these too
    assert len(await claimed(rig.store)) == 2
    (told,) = rig.told
    assert isinstance(told, HistoryPruned)
    assert (told.why, told.stuck) == ("size", True)
    rig.clock.advance(100 * TICK_S)
    await rig.step()
    assert len(rig.told) == 1  # that nothing is left is told once


async def test_a_held_lane_loses_nothing(rig: Rig) -> None:
    owed = await rig.keep(400, ends="owed")
    await rig.store.open_lanes([], rig.clock.now_ms())
    await rig.step()
    assert await rig.kept() == ids(owed)


async def test_by_size_the_oldest_go_until_it_is_under_and_then_no_more(rig: Rig) -> None:
    events = [event for n in range(20, 0, -1) for event in await rig.keep(n, body=bytes(MIB))]
    rig.begin(replace(SPEC, max_bytes=10 * MIB))
    await rig.step()
    kept = await rig.kept()
    assert 8 <= len(kept) <= 9  # 95 % of 10 MiB, with what is not bodies
    assert kept == ids(events[-len(kept) :])
    assert (await rig.store.usage()).used_bytes <= 10 * MIB
    rig.clock.advance(TICK_S)
    await rig.step()
    assert await rig.kept() == kept
    (told,) = rig.told
    assert isinstance(told, HistoryPruned)
    assert (told.why, told.events, told.stuck) == ("size", 20 - len(kept), False)


async def test_the_file_shrinks_and_stays_whole(rig: Rig) -> None:
    await rig.keep(40, ends="success", body=bytes(20_000), count=300)
    rig.to_file()
    full_bytes = rig.path.stat().st_size
    await rig.step()
    assert rig.path.stat().st_size < full_bytes / 10
    with closing(sqlite3.connect(rig.path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def test_the_file_shrinks_once_who_read_it_meanwhile_has_ended(rig: Rig) -> None:
    """It was tried after giving back alone: a longer read, and the file stayed as large."""
    await rig.keep(40, ends="success", body=bytes(20_000), count=300)
    rig.to_file()
    full_bytes = rig.path.stat().st_size
    with closing(sqlite3.connect(rig.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM events").fetchall()
        for _ in range(5):  # as a copy of a large database would
            await rig.step()
            rig.clock.advance(TICK_S)
        assert await rig.kept() == set()
        assert rig.path.stat().st_size >= full_bytes
    await rig.step()
    assert rig.path.stat().st_size < full_bytes / 10


async def test_a_file_that_another_process_left_large_shrinks(rig: Rig) -> None:
    """A `prune` beside the daemon, or a daemon that was killed before it came to it."""
    await rig.keep(40, ends="success", body=bytes(20_000), count=300)
    rig.to_file()
    full_bytes = rig.path.stat().st_size
    with closing(sqlite3.connect(rig.path, isolation_level=None)) as other:
        other.execute("PRAGMA wal_autocheckpoint = 0")
        other.execute("BEGIN")
        for table in ("attempts", "deliveries", "events"):
            other.execute(f"DELETE FROM {table}")
        while other.execute("PRAGMA freelist_count").fetchone() != (0,):
            other.execute("PRAGMA incremental_vacuum(1)").fetchall()
        other.execute("COMMIT")
    assert rig.path.stat().st_size >= full_bytes
    await rig.step()
    assert rig.path.stat().st_size < full_bytes / 10


async def test_as_many_pages_are_given_back_as_were_asked_for(rig: Rig) -> None:
    """It was a page a transaction, and one sync for each."""
    await rig.keep(40, body=bytes(20_000), count=100)
    await rig.store.prune(Cuts(rig.clock.now_ms(), rig.clock.now_ms()))
    before = await rig.store.usage()
    assert before.free_pages > 200
    assert await rig.store.give_back(100) == 100
    after = await rig.store.usage()
    assert (before.pages - after.pages, before.free_pages - after.free_pages) == (100, 100)
    assert await rig.store.give_back(10_000) == after.free_pages
    assert await rig.store.give_back() == 0


async def test_another_config_is_kept_to_at_once(rig: Rig) -> None:
    await rig.keep(20, count=3)
    running = asyncio.ensure_future(rig.retention.run())
    try:
        await rig.store.ping()
        rig.retention.want(replace(SPEC, events_ms=10 * DAY_MS))
        async with asyncio.timeout(HANG_S):
            while not rig.told:
                rig.clock.advance(STEP_S)
                await rig.store.ping()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert await rig.kept() == set()


async def test_a_locked_database_is_pruned_later(rig: Rig) -> None:
    await rig.keep(40)
    with write_lock(rig.path):
        await rig.step()
    assert (len(await rig.kept()), rig.told) == (1, [])
    rig.clock.advance(TICK_S)
    await rig.step()
    assert await rig.kept() == set()


async def test_one_step_after_another_looks_no_sooner_than_it_must(rig: Rig) -> None:
    await rig.step()
    await rig.keep(40)
    await rig.step()
    assert len(await rig.kept()) == 1
    rig.clock.advance(EVERY_MAX_S)
    await rig.step()
    assert await rig.kept() == set()


async def test_a_batch_is_bounded_in_rows_and_in_bytes(rig: Rig) -> None:
    await rig.keep(40, count=30)
    await rig.keep(39, body=bytes(MIB), count=5)
    cuts = Cuts(rig.clock.now_ms(), rig.clock.now_ms())
    first = await rig.store.prune(cuts, rows=20)
    assert first.events == 20
    assert first.next is not None
    second = await rig.store.prune(cuts, first.next, rows=20)
    assert second.events == 11  # ten small ones, and the first of a MiB
    assert second.next is not None
    third = await rig.store.prune(cuts, second.next, rows=20)
    assert third.events == 1


async def test_old_jobs_go_in_batches_too(rig: Rig) -> None:
    for _ in range(120):
        job = await rig.store.add_job(ReplayQuery(), None, rig.clock.now_ms() - 40 * DAY_MS)
        await rig.store.advance(
            job, await rig.store.choose(job, 1), [], 0, rig.clock.now_ms() - 40 * DAY_MS
        )
    assert rig.rows("jobs") == 120
    first = await rig.store.prune(Cuts(rig.clock.now_ms(), 0))
    assert (rig.rows("jobs"), first.next is None) == (70, False)
    assert [one.events async for one in prune_all(rig.store, Cuts(rig.clock.now_ms(), 0))]
    assert rig.rows("jobs") == 0


async def test_a_key_outlives_its_event(rig: Rig) -> None:
    """It lives as long as its window: a duplicate is one all the same."""
    event = an_event(received_ms=rig.clock.now_ms() - 40 * DAY_MS)
    await rig.store.add_event(event, [], Idempotency("k", rig.clock.now_ms() + DAY_MS))
    await rig.step()
    assert (await rig.kept(), rig.rows("idempotency")) == (set(), 1)


async def test_what_is_unsynced_is_in_order_and_the_next_commit_is_synced(rig: Rig) -> None:
    await rig.keep(40)
    await rig.store.prune(Cuts(rig.clock.now_ms(), rig.clock.now_ms()))
    synchronous = await rig.store._open_writer().run(
        lambda writer: writer.execute("PRAGMA synchronous").fetchall()
    )
    assert synchronous == [(2,)]  # FULL
    with write_lock(rig.path), pytest.raises(Exception, match="locked"):
        await rig.store.prune(Cuts(rig.clock.now_ms(), rig.clock.now_ms()))
    again = await rig.store._open_writer().run(
        lambda writer: writer.execute("PRAGMA synchronous").fetchall()
    )
    assert again == [(2,)]


def test_batches_are_as_large_as_their_time_allows() -> None:
    assert next_rows(50, BATCH_S / 4) == 100
    assert next_rows(50, BATCH_S * 0.75) == 50
    assert next_rows(100, BATCH_S * 2) == 50
    assert next_rows(ROWS_MAX, 0.0) == ROWS_MAX
    assert next_rows(ROWS_MIN, 10.0) == ROWS_MIN
    assert rest_s(0.01) == 0.01 * REST_TIMES
    assert rest_s(0.0) > 0


def test_what_is_kept_for_long_is_looked_at_rarely() -> None:
    assert every_s(1000) == EVERY_MIN_S
    assert every_s(2 * 3_600_000) == 72
    assert every_s(30 * DAY_MS) == EVERY_MAX_S
