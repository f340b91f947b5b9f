"""What every backend promises to people who ask, through the protocol alone."""

from asking import add, claimed, replayed
from nouns import NOW_MS, an_attempt, an_event

from dispatchd.model import (
    Dead,
    Delivered,
    DeliveryStatus,
    ErrorClass,
    EventStatus,
)
from dispatchd.store import Store
from dispatchd.store.base import EventQuery, ReplayQuery


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
