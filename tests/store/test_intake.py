"""What every backend promises to ingest, through the protocol alone."""

import asyncio

import pytest
from asking import MAX_BYTES, OpenStore, add, claimed
from nouns import NOW_MS, an_attempt, an_event

from dispatchd.errors import StoreUnavailable, WriteRejected
from dispatchd.model import (
    Delivered,
    DeliveryStatus,
    EventStatus,
)
from dispatchd.store import Store
from dispatchd.store.base import Duplicate, Idempotency


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


async def test_a_caller_that_goes_away_strands_no_delivery(store: Store) -> None:
    adding = asyncio.create_task(store.add_event(an_event(), ["crm"], claim=["crm"]))
    await asyncio.sleep(0)  # it is queued for the next transaction
    adding.cancel()
    assert isinstance((await asyncio.gather(adding, return_exceptions=True))[0], BaseException)
    await store.ping()
    assert len(await claimed(store)) == 1


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
