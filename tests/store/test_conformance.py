"""What every backend of the store promises, through the protocol alone."""

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from nouns import NOW_MS, an_attempt, an_event

from dispatchd.errors import AlreadyRunning, StoreUnavailable, WriteRejected
from dispatchd.model import (
    Dead,
    Delivered,
    Delivery,
    DeliveryStatus,
    ErrorClass,
    Event,
    EventStatus,
    RetryAt,
)
from dispatchd.store import Store
from dispatchd.store.base import Duplicate, EventQuery, Idempotency, ReplayQuery

OpenStore = Callable[[], Awaitable[Store]]
FAR_MS = NOW_MS + 10**9
MAX_BYTES = 8 * 1024 * 1024


async def add(store: Store, event: Event, *destinations: str) -> list[Delivery]:
    """Keep an event; its deliveries as they are owed, in nobody's hand."""
    added = await store.add_event(event, destinations, claim=destinations)
    assert not isinstance(added, Duplicate)
    for delivery in added:
        store.release(delivery)
    return list(added)


async def claimed(store: Store, now_ms: int = FAR_MS, limit: int = 100) -> list[Delivery]:
    """Look at what is due, and give it back."""
    due = await store.claim("crm", now_ms, limit, MAX_BYTES)
    for delivery, _ in due.ready:
        store.release(delivery)
    return [delivery for delivery, _ in due.ready]


async def pruned(
    store: Store, before_ms: int, failed_before_ms: int | None = None
) -> tuple[int, int]:
    """Prune; return how many events went, and how many were kept because they failed."""
    cut_ms = before_ms if failed_before_ms is None else failed_before_ms
    batches = [batch async for batch in store.prune(before_ms, cut_ms)]
    return sum(b.events for b in batches), sum(b.kept_failed for b in batches)


async def replayed(store: Store, query: ReplayQuery, now_ms: int = FAR_MS) -> int:
    return sum([count async for count in store.replay(query, now_ms)])


async def test_an_event_comes_back_as_it_was(store: Store) -> None:
    event = an_event(body=bytes(range(256)), headers=(("A", "1"), ("A", "2")), event_type=None)
    deliveries = await add(store, event, "crm", "audit")
    assert [(d.destination, d.status, d.attempts) for d in deliveries] == [
        ("crm", "queued", 0),
        ("audit", "queued", 0),
    ]
    due = await store.claim("crm", NOW_MS, 10, MAX_BYTES)
    assert due.ready == [(deliveries[0], event)]
    assert not due.more
    story = await store.get_event(event.id)
    assert story is not None
    assert story.event == event
    assert await store.get_event(an_event().id) is None


async def test_the_longest_due_come_first_within_the_bounds(store: Store) -> None:
    events = [an_event(received_ms=NOW_MS + n) for n in (3, 1, 2, 0)]
    for event in events:
        await add(store, event, "crm")
    in_order = [events[3].id, events[1].id, events[2].id, events[0].id]
    assert [d.event_id for d in await claimed(store)] == in_order
    first = await store.claim("crm", FAR_MS, 1, MAX_BYTES)
    due = await store.claim("crm", FAR_MS, 2, MAX_BYTES)
    assert [d.event_id for d, _ in due.ready] == in_order[1:3]
    assert due.more
    for delivery, _ in (*first.ready, *due.ready):
        store.release(delivery)
    due = await store.claim("crm", NOW_MS + 1, 10, MAX_BYTES)
    assert [d.event_id for d, _ in due.ready] == in_order[:2]
    assert due.next_due_ms == NOW_MS + 2
    assert (await store.claim("audit", FAR_MS, 10, MAX_BYTES)).ready == []


async def test_a_claim_is_bounded_in_bytes_and_says_what_did_not_fit(store: Store) -> None:
    for size_bytes in (1000, 2000, 9000):
        await add(store, an_event(body=b"x" * size_bytes), "crm")
    due = await store.claim("crm", FAR_MS, 10, 3000)
    assert (len(due.ready), due.more, due.next_bytes) == (2, True, 9000)
    due = await store.claim("crm", FAR_MS, 10, 8999)
    assert (due.ready, due.more, due.next_bytes) == ([], True, 9000)
    due = await store.claim("crm", FAR_MS, 10, 9000)
    assert (len(due.ready), due.more, due.next_bytes) == (1, False, None)


async def test_what_is_claimed_is_its_holders_until_it_is_recorded_or_released(
    store: Store,
) -> None:
    event = an_event()
    (delivery,) = await store.add_event(event, ["crm", "audit"], claim=["crm"])  # type: ignore[misc]
    assert delivery.destination == "crm"
    assert await claimed(store) == []
    assert [d for d, _ in (await store.claim("audit", FAR_MS, 10, MAX_BYTES)).ready]
    assert (await store.claim("audit", FAR_MS, 10, MAX_BYTES)).ready == []
    store.release(delivery)
    due = await store.claim("crm", FAR_MS, 10, MAX_BYTES)
    assert due.ready == [(delivery, event)]
    assert await claimed(store) == []
    await store.record(delivery, an_attempt(delivery, error=ErrorClass.HTTP), RetryAt(NOW_MS))
    assert [d.attempts for d in await claimed(store)] == [1]


async def test_many_who_look_at_once_never_get_the_same(store: Store) -> None:
    await asyncio.gather(*(add(store, an_event(), "crm") for _ in range(100)))
    looks = await asyncio.gather(*(store.claim("crm", FAR_MS, 40, MAX_BYTES) for _ in range(8)))
    ids = [d.event_id for look in looks for d, _ in look.ready]
    assert len(ids) == len(set(ids))
    while (look := await store.claim("crm", FAR_MS, 40, MAX_BYTES)).ready:
        ids += [d.event_id for d, _ in look.ready]
    assert len(ids) == len(set(ids)) == 100


async def test_what_is_recorded_during_a_look_is_not_handed_out_by_it(store: Store) -> None:
    """A fresh event that was sent and recorded during a look was taken again from stale rows."""
    for _ in range(20):
        events = [an_event() for _ in range(10)]
        deliveries = [
            delivery
            for event in events
            for delivery in await store.add_event(event, ["crm"], claim=["crm"])  # type: ignore[union-attr]
        ]
        looks = [asyncio.create_task(store.claim("crm", FAR_MS, 100, MAX_BYTES)) for _ in range(3)]
        await asyncio.gather(*(store.record(d, an_attempt(d), Delivered()) for d in deliveries))
        assert [look.ready for look in await asyncio.gather(*looks)] == [[], [], []]


async def test_a_caller_that_goes_away_strands_no_delivery(store: Store) -> None:
    adding = asyncio.create_task(store.add_event(an_event(), ["crm"], claim=["crm"]))
    await asyncio.sleep(0)  # it is queued for the next transaction
    adding.cancel()
    assert isinstance((await asyncio.gather(adding, return_exceptions=True))[0], BaseException)
    await store.ping()
    assert len(await claimed(store)) == 1


async def test_an_attempt_that_failed_for_our_own_fault_uses_none_up(store: Store) -> None:
    event = an_event()
    (delivery,) = await add(store, event, "crm")
    verdict = RetryAt(NOW_MS, counted=False)
    await store.record(delivery, an_attempt(delivery, error=ErrorClass.EVALUATOR), verdict)
    (now,) = await claimed(store)
    assert (now.attempts, now.attempts_before) == (1, 1)


async def test_each_verdict_settles_the_delivery(store: Store) -> None:
    wanted = {
        DeliveryStatus.SUCCESS: Delivered(),
        DeliveryStatus.FAILED: Dead(),
        DeliveryStatus.RETRYING: RetryAt(NOW_MS + 5000),
    }
    for status, verdict in wanted.items():
        event = an_event()
        (delivery,) = await add(store, event, "crm")
        attempt = an_attempt(delivery, error=None if status == "success" else ErrorClass.HTTP)
        await store.record(delivery, attempt, verdict)
        story = await store.get_event(event.id)
        assert story is not None
        assert story.attempts == [attempt]
        assert [(d.status, d.attempts) for d in story.deliveries] == [(status, 1)]
    assert [d.due_ms for d in await claimed(store)] == [NOW_MS + 5000]
    due = await store.claim("crm", NOW_MS, 10, MAX_BYTES)
    assert (due.ready, due.next_due_ms) == ([], NOW_MS + 5000)


async def test_an_attempt_number_is_written_once(store: Store) -> None:
    (delivery,) = await add(store, an_event(), "crm")
    await store.record(delivery, an_attempt(delivery), RetryAt(NOW_MS))
    with pytest.raises(WriteRejected):
        await store.record(delivery, an_attempt(delivery), Delivered())
    (now,) = await claimed(store)
    assert (now.status, now.attempts) == ("retrying", 1)


async def test_a_replay_starts_the_schedule_afresh_and_numbers_go_on(store: Store) -> None:
    event = an_event()
    (delivery,) = await add(store, event, "crm")
    await store.record(delivery, an_attempt(delivery, error=ErrorClass.HTTP), Dead())
    assert await claimed(store) == []
    assert await replayed(store, ReplayQuery([event.id])) == 1
    (again,) = await claimed(store)
    assert (again.status, again.attempts, again.attempts_before) == ("queued", 1, 1)
    await store.record(again, an_attempt(again), Delivered())
    story = await store.get_event(event.id)
    assert story is not None
    assert [a.number for a in story.attempts] == [1, 2]


async def test_a_replay_wins_over_the_attempt_in_flight(store: Store) -> None:
    event = an_event()
    (in_flight,) = await add(store, event, "crm")
    assert await replayed(store, ReplayQuery([event.id])) == 1
    await store.record(in_flight, an_attempt(in_flight), Delivered())
    (again,) = await claimed(store)
    assert (again.status, again.attempts, again.attempts_before) == ("queued", 1, 1)


async def test_a_replay_takes_each_delivery_once(store: Store) -> None:
    event = an_event()
    await add(store, event, "crm")
    assert await replayed(store, ReplayQuery([event.id, event.id, event.id.upper()])) == 1
    assert await replayed(store, ReplayQuery([an_event().id])) == 0
    (again,) = await claimed(store)
    assert again.replays == 1


async def test_replay_of_the_failed_is_narrowed(store: Store) -> None:
    for n in range(1200):
        event = an_event(received_ms=NOW_MS + n)
        for delivery in await add(store, event, "crm", "audit") if n < 3 else ():
            await store.record(delivery, an_attempt(delivery, error=ErrorClass.HTTP), Dead())
    assert await replayed(store, ReplayQuery(destination="crm", since_ms=NOW_MS + 1)) == 2
    assert await replayed(store, ReplayQuery(destination="gone")) == 0
    assert await replayed(store, ReplayQuery()) == 4
    assert await replayed(store, ReplayQuery()) == 0


async def test_a_destination_that_left_holds_its_deliveries(store: Store) -> None:
    event = an_event()
    (owed,) = await add(store, event, "crm")
    assert await store.open_lanes(["audit"]) == ["crm"]
    story = await store.get_event(event.id)
    assert story is not None
    assert [d.status for d in story.deliveries] == ["held"]
    assert story.held == {"crm": "not in the config"}
    (summary,) = await store.find_events(EventQuery(delivery_status=DeliveryStatus.HELD))
    assert summary.deliveries == {DeliveryStatus.HELD: 1}
    assert await store.find_events(EventQuery(delivery_status=DeliveryStatus.QUEUED)) == []
    assert await store.open_lanes(["crm", "audit"]) == []
    assert await claimed(store) == [owed]


async def test_events_are_found_newest_first(store: Store) -> None:
    first = an_event(endpoint="a", event_type="x")
    second = an_event(endpoint="b", status=EventStatus.FILTERED, received_ms=NOW_MS + 10)
    await add(store, first, "crm")
    await add(store, second)
    queries = {
        EventQuery(): [second.id, first.id],
        EventQuery(limit=1): [second.id],
        EventQuery(before_id=second.id): [first.id],
        EventQuery(endpoint="a"): [first.id],
        EventQuery(event_type="x"): [first.id],
        EventQuery(status=EventStatus.FILTERED): [second.id],
        EventQuery(destination="crm"): [first.id],
        EventQuery(destination="audit"): [],
        EventQuery(since_ms=NOW_MS + 5): [second.id],
        EventQuery(delivery_status=DeliveryStatus.SUCCESS): [],
    }
    for query, ids in queries.items():
        assert [s.id for s in await store.find_events(query)] == ids, query


async def test_stats_count_what_is_open_and_what_ended(store: Store) -> None:
    for n in range(3):
        (delivery,) = await add(store, an_event(received_ms=NOW_MS + n), "crm")
        if n:
            await store.record(delivery, an_attempt(delivery), Delivered())
    stats = await store.stats(NOW_MS)
    assert stats.events == {EventStatus.RECEIVED: 3}
    by_name = {d.destination: d for d in stats.destinations}
    assert by_name["crm"].counts == {DeliveryStatus.QUEUED: 1, DeliveryStatus.SUCCESS: 2}
    assert by_name["crm"].oldest_due_ms == NOW_MS
    assert stats.database_bytes > 0


async def test_prune_goes_through_more_than_one_batch(store: Store) -> None:
    events = [an_event(received_ms=NOW_MS + n // 3) for n in range(1100)]
    await asyncio.gather(*(add(store, event) for event in events[::2]))
    await asyncio.gather(*(add(store, event, "crm") for event in events[1::2]))
    batches = [batch async for batch in store.prune(NOW_MS + 10_000, NOW_MS + 10_000)]
    assert len(batches) > 1
    assert sum(batch.events for batch in batches) == 550
    assert await pruned(store, NOW_MS + 10_000) == (0, 0)
    assert len(await claimed(store, limit=2000)) == 550


async def test_prune_never_takes_what_is_owed(store: Store) -> None:
    owed, done, young = an_event(), an_event(), an_event(received_ms=NOW_MS + 1000)
    await add(store, owed, "crm")
    (delivery,) = await add(store, done, "crm")
    await store.record(delivery, an_attempt(delivery), Delivered())
    await add(store, young)
    assert await pruned(store, NOW_MS + 500) == (1, 0)
    assert await store.get_event(done.id) is None
    assert {s.id for s in await store.find_events(EventQuery())} == {owed.id, young.id}


async def test_the_destinations_of_an_event_are_told_apart(store: Store) -> None:
    """Two destinations of one event never share attempts, verdicts or replays."""
    event = an_event()
    crm, audit = await add(store, event, "crm", "audit")
    await store.record(crm, an_attempt(crm, error=ErrorClass.HTTP), Dead())
    await store.record(audit, an_attempt(audit), Delivered())
    assert await replayed(store, ReplayQuery()) == 1
    story = await store.get_event(event.id)
    assert story is not None
    assert {d.destination: (d.status, d.replays) for d in story.deliveries} == {
        "crm": ("queued", 1),
        "audit": ("success", 0),
    }


async def test_a_backup_is_whole(store: Store, tmp_path: Path) -> None:
    await add(store, an_event(), "crm")
    await store.backup(str(tmp_path / "copy.db"))
    copy = sqlite3.connect(tmp_path / "copy.db")
    assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert copy.execute("SELECT count(*) FROM events").fetchone() == (1,)
    copy.close()


async def test_a_clock_set_back_brings_all_that_is_due_forward(open_store: OpenStore) -> None:
    """Also what is due across a restart, and by as much as it was set back, once."""
    store = await open_store()
    await store.open_lanes(["crm"])
    assert await store.kept_time() == 0
    event = an_event(received_ms=NOW_MS + 3_600_000)
    (delivery,) = await add(store, event, "crm")
    await store.record(delivery, an_attempt(delivery, error=ErrorClass.HTTP), RetryAt(FAR_MS))
    await store.keep_time(NOW_MS, set_back_ms=3_600_000)
    due_ms = FAR_MS - 3_600_000
    for _ in range(2):
        assert await store.kept_time() == NOW_MS
        assert await claimed(store, due_ms - 1) == []
        assert [d.due_ms for d in await claimed(store, due_ms)] == [due_ms]
        due = await store.claim("crm", NOW_MS, 10, 8_000_000)
        assert due.next_due_ms == due_ms
        story = await store.get_event(event.id)
        assert story is not None
        assert [d.due_ms for d in story.deliveries] == [due_ms]
        assert [d.oldest_due_ms for d in (await store.stats(0)).destinations] == [due_ms]
        await store.close()
        store = await open_store()
    await store.keep_time(NOW_MS + 1)
    fresh = an_event(received_ms=NOW_MS + 1)
    await add(store, fresh, "crm")
    assert [d.event_id for d in await claimed(store, NOW_MS + 1)] == [fresh.id]
    assert await replayed(store, ReplayQuery([event.id]), NOW_MS + 2) == 1
    assert [d.due_ms for d in await claimed(store)] == [NOW_MS + 1, NOW_MS + 2]


async def test_events_with_a_failed_delivery_are_kept_longer(store: Store) -> None:
    events = [an_event(received_ms=NOW_MS + n) for n in range(3)]
    for event in events:
        crm, audit = await add(store, event, "crm", "audit")
        await store.record(crm, an_attempt(crm), Delivered())
        verdict = Delivered() if event is events[1] else Dead()
        await store.record(audit, an_attempt(audit), verdict)
    assert await pruned(store, NOW_MS + 10, NOW_MS) == (1, 2)
    assert await store.get_event(events[1].id) is None
    assert await pruned(store, NOW_MS + 10, NOW_MS + 1) == (1, 1)
    assert await pruned(store, NOW_MS + 10, NOW_MS + 10) == (1, 0)


async def test_keys_live_as_long_as_their_window_and_are_forgotten_in_batches(
    store: Store,
) -> None:
    """Not as long as retention, and never all in one transaction."""
    keys = [Idempotency(f"{n}", NOW_MS + n + 1) for n in range(1200)]
    await asyncio.gather(*(store.add_event(an_event(), [], key) for key in keys))
    assert await pruned(store, FAR_MS) == (1200, 0)
    counts = []
    while count := await store.forget(NOW_MS + 1100):
        counts.append(count)
    assert sum(counts) == 1100
    assert len(counts) > 2
    known = await store.add_event(an_event(), [], Idempotency("1150", FAR_MS))
    assert isinstance(known, Duplicate)


async def test_space_goes_back_after_a_prune(store: Store) -> None:
    await asyncio.gather(*(store.add_event(an_event(body=bytes(20_000)), []) for _ in range(600)))
    full_bytes = (await store.stats(0)).database_bytes
    assert full_bytes > 12_000_000
    await pruned(store, FAR_MS)
    assert (await store.stats(0)).database_bytes < full_bytes / 20


async def test_one_daemon_at_a_time(open_store: OpenStore) -> None:
    first, second = await open_store(), await open_store()
    first.lock()
    with pytest.raises(AlreadyRunning, match=rf"\(pid {os.getpid()}\) already serves"):
        second.lock()
    await first.close()
    second.lock()


async def test_many_writers_at_once(store: Store) -> None:
    async def one() -> None:
        for _ in range(10):
            (delivery,) = await add(store, an_event(), "crm")
            await store.record(delivery, an_attempt(delivery), Delivered())

    await asyncio.gather(*(one() for _ in range(64)))
    stats = await store.stats(0)
    assert stats.events == {EventStatus.RECEIVED: 640}
    assert {d.destination: d.counts for d in stats.destinations}["crm"] == {
        DeliveryStatus.SUCCESS: 640
    }


async def test_a_bad_write_fails_alone(store: Store) -> None:
    kept = an_event()
    await add(store, kept)
    batch = [an_event() for _ in range(20)]
    batch[7] = an_event(id=kept.id)
    results = await asyncio.gather(
        *(store.add_event(event, ["crm"]) for event in batch), return_exceptions=True
    )
    assert [i for i, r in enumerate(results) if isinstance(r, BaseException)] == [7]
    assert isinstance(results[7], WriteRejected)
    assert len(await claimed(store)) == 19


async def test_text_that_cannot_be_kept_fails_alone(store: Store) -> None:
    """A lone surrogate is no text; ingest lets none through, and the store counts on nobody."""
    batch = [an_event() for _ in range(9)]
    batch[4] = an_event(event_type="\ud800")
    results = await asyncio.gather(
        *(store.add_event(event, ["crm"]) for event in batch), return_exceptions=True
    )
    assert [i for i, r in enumerate(results) if isinstance(r, WriteRejected)] == [4]
    assert len(await claimed(store)) == 8


async def test_whatever_a_destination_answers_is_kept(store: Store) -> None:
    event = an_event(body=b"", headers=(("X", "a\x00b"),))
    (delivery,) = await add(store, event, "crm")
    attempt = replace(
        an_attempt(delivery, error=ErrorClass.PROTOCOL),
        message="bad \udcff line",
        response_headers=(("X-Odd", "\udcff"), ("X-Nul", "\x00")),
        response_head=b"",
    )
    await store.record(delivery, attempt, Dead())
    story = await store.get_event(event.id)
    assert story is not None
    assert story.event == event
    (kept,) = story.attempts
    assert (kept.message, kept.response_headers) == (
        "bad ? line",
        (("X-Odd", "?"), ("X-Nul", "\x00")),
    )


async def test_a_duplicate_is_decided_with_the_insert(store: Store) -> None:
    remember = Idempotency("key-1", NOW_MS + 1000)
    copies = await asyncio.gather(
        *(store.add_event(an_event(), ["crm"], remember) for _ in range(64))
    )
    firsts = [c for c in copies if not isinstance(c, Duplicate)]
    assert len(firsts) == 1
    (first,) = await claimed(store)
    assert {c.event_id for c in copies if isinstance(c, Duplicate)} == {first.event_id}
    other = an_event(endpoint_id="7b0c0000-0000-4000-8000-000000000002")
    assert not isinstance(await store.add_event(other, [], remember), Duplicate)
    late = an_event(received_ms=NOW_MS + 1000)
    assert not isinstance(
        await store.add_event(late, [], Idempotency("key-1", NOW_MS + 9000)), Duplicate
    )
    again = await store.add_event(an_event(received_ms=NOW_MS + 2000), [], remember)
    assert again == Duplicate(late.id)


async def test_all_is_there_after_reopening(open_store: OpenStore) -> None:
    store = await open_store()
    event = an_event()
    (delivery,) = await add(store, event, "crm")
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.add_event(an_event(), [])
    store = await open_store()
    assert await claimed(store) == [delivery]
    await store.ping()
