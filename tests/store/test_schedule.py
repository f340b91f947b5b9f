"""What every backend promises to delivery, through the protocol alone."""

import asyncio
from dataclasses import replace

import pytest
from asking import FAR_MS, MAX_BYTES, add, claimed
from nouns import NOW_MS, an_attempt, an_event

from dispatchd.errors import WriteRejected
from dispatchd.model import (
    Dead,
    Delivered,
    DeliveryStatus,
    ErrorClass,
    RetryAt,
)
from dispatchd.store import Store
from dispatchd.store.base import EventQuery


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
    headers = (("X-Pad", "y" * 4000),)  # they count too
    for size_bytes, kept in ((1000, ()), (2000, ()), (5000, headers)):
        await add(store, an_event(body=b"x" * size_bytes, headers=kept), "crm")
    due = await store.claim("crm", FAR_MS, 10, 3100)
    assert (len(due.ready), due.more) == (2, True)
    assert due.next_bytes is not None
    assert 9000 < due.next_bytes < 9100
    large = due.next_bytes
    due = await store.claim("crm", FAR_MS, 10, large - 1)
    assert (due.ready, due.more, due.next_bytes) == ([], True, large)
    due = await store.claim("crm", FAR_MS, 10, large)
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
