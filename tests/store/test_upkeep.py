"""What keeps every backend good for years, through the protocol alone."""

import asyncio
import os

import pytest
from asking import FAR_MS, OpenStore, add, claimed, pruned
from nouns import NOW_MS, an_attempt, an_event
from replays import replayed

from dispatchd.errors import AlreadyRunning
from dispatchd.model import (
    Dead,
    Delivered,
    ErrorClass,
    RetryAt,
)
from dispatchd.store import Store
from dispatchd.store.base import Duplicate, EventQuery, Idempotency
from dispatchd.store.jobs import ReplayQuery
from dispatchd.store.retention import Cuts, prune_all


async def test_prune_goes_through_more_than_one_batch(store: Store) -> None:
    events = [an_event(received_ms=NOW_MS + n // 3) for n in range(1100)]
    await asyncio.gather(*(add(store, event) for event in events[::2]))
    await asyncio.gather(*(add(store, event, "crm") for event in events[1::2]))
    cuts = Cuts(NOW_MS + 10_000, NOW_MS + 10_000)
    batches = [batch async for batch in prune_all(store, cuts)]
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
    assert not second.served()
    first.lock()
    assert first.served()
    assert second.served()
    with pytest.raises(AlreadyRunning, match=rf"\(pid {os.getpid()}\) already serves"):
        second.lock()
    await first.close()
    assert not second.served()
    second.lock()
