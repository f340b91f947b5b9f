"""What every backend promises to people who ask, through the protocol alone."""

from asking import add
from nouns import NOW_MS, an_attempt, an_event

from dispatchd.model import (
    Delivered,
    DeliveryStatus,
    EventStatus,
)
from dispatchd.store import Store
from dispatchd.store.base import EventQuery


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
