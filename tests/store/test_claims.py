"""What a look says of deliveries that are in hand."""

from nouns import NOW_MS, an_attempt, an_event
from replays import replayed

from dispatchd.model import Delivered, RetryAt
from dispatchd.store import Store
from dispatchd.store.jobs import ReplayQuery


async def replay(store: Store, event_id: str) -> None:
    assert await replayed(store, ReplayQuery([event_id]), NOW_MS) == 1


async def test_a_delivery_in_hand_that_was_replayed_is_told(store: Store) -> None:
    first, second = an_event(), an_event()
    for event in (first, second):
        await store.add_event(event, ["crm"], claim=["crm"])
    assert (await store.claim("crm", NOW_MS, 10, 1024)).replayed == []
    await replay(store, first.id)
    found = await store.claim("crm", NOW_MS, 10, 1024)
    assert (found.ready, found.more, found.replayed) == ([], False, [first.id])


async def test_a_replayed_delivery_that_was_handed_out_as_such_is_not(store: Store) -> None:
    event = an_event()
    await store.add_event(event, ["crm"])
    await replay(store, event.id)
    ((delivery, _),) = (await store.claim("crm", NOW_MS, 10, 1024)).ready
    assert (await store.claim("crm", NOW_MS, 10, 1024)).replayed == []
    await store.record(delivery, an_attempt(delivery), RetryAt(NOW_MS))
    assert len((await store.claim("crm", NOW_MS, 10, 1024)).ready) == 1


async def test_a_replay_outlives_the_result_of_the_attempt_in_flight(store: Store) -> None:
    event = an_event()
    added = await store.add_event(event, ["crm"], claim=["crm"])
    assert isinstance(added, list)
    await replay(store, event.id)
    assert (await store.claim("crm", NOW_MS, 10, 1024)).replayed == [event.id]
    await store.record(added[0], an_attempt(added[0]), Delivered())
    found = await store.claim("crm", NOW_MS, 10, 1024)
    assert [(d.event_id, d.attempts, d.replays) for d, _ in found.ready] == [(event.id, 1, 1)]
    assert found.replayed == []
