"""Which rule chose what is sent is kept with a delivery, and moves with its attempts."""

import asyncio
from dataclasses import replace

from asking import FAR_MS, MAX_BYTES, claimed
from nouns import NOW_MS, an_attempt, an_event

from dispatchd.model import Delivered, ErrorClass, RetryAt, Sent
from dispatchd.store import Store
from dispatchd.store.base import Duplicate
from dispatchd.store.jobs import ReplayQuery


async def test_the_rule_is_kept_by_destination_and_handed_out(store: Store) -> None:
    event = an_event()
    added = await store.add_event(
        event, ["crm", "audit"], claim=["crm", "audit"], rules={"crm": "bots"}
    )
    assert not isinstance(added, Duplicate)
    assert [(d.destination, d.rule) for d in added] == [("crm", "bots"), ("audit", None)]
    for delivery in added:
        store.release(delivery)
    assert [d.rule for d in await claimed(store)] == ["bots"]
    story = await store.get_event(event.id)
    assert story is not None
    assert {d.destination: d.rule for d in story.deliveries} == {"crm": "bots", "audit": None}


async def test_an_ordered_lane_keeps_it_too(store: Store) -> None:
    await store.order_lanes(["crm"])
    await store.add_event(an_event(), ["crm"], rules={"crm": "2"})
    due = await store.claim_in_order("crm", FAR_MS, MAX_BYTES)
    assert [d.rule for d, _ in due.ready] == ["2"]


async def test_the_rule_of_the_last_attempt_becomes_the_deliverys(store: Store) -> None:
    added = await store.add_event(an_event(), ["crm"], claim=["crm"], rules={"crm": "old"})
    assert not isinstance(added, Duplicate)
    (delivery,) = added
    failed = replace(an_attempt(delivery, error=ErrorClass.HTTP), rule="new", template="t: applied")
    await store.record(delivery, failed, RetryAt(NOW_MS))
    (again,) = await claimed(store)
    assert again.rule == "new"
    story = await store.get_event(delivery.event_id)
    assert story is not None
    assert [a.template for a in story.attempts] == ["t: applied"]


async def test_a_replay_that_came_meanwhile_keeps_what_it_found(store: Store) -> None:
    added = await store.add_event(an_event(), ["crm"], claim=["crm"], rules={"crm": "old"})
    assert not isinstance(added, Duplicate)
    (delivery,) = added
    job = await store.add_job(ReplayQuery(event_ids=(delivery.event_id,)), None, NOW_MS)
    page = await store.choose(job, 10)
    await store.advance(job, page, page.candidates, 0, NOW_MS)
    await store.record(delivery, replace(an_attempt(delivery), rule="new"), Delivered())
    (again,) = await claimed(store)
    assert (again.rule, again.replays) == ("old", 1)


async def test_what_was_said_is_kept_with_its_variant(store: Store) -> None:
    added = await store.add_event(an_event(), ["crm"], claim=["crm"])
    assert not isinstance(added, Duplicate)
    (delivery,) = added
    said = replace(an_attempt(delivery), sent=b'{"title":"x"}', sent_variant="default")
    await store.record(delivery, said, Delivered())
    query = ReplayQuery(event_ids=(delivery.event_id,), as_sent=True)
    for variant in ("default", None):
        job = await store.add_job(query, None, NOW_MS)
        page = await store.choose(job, 10)
        await store.advance(job, page, page.candidates, 0, NOW_MS)
        ((again, _),) = (await store.claim("crm", FAR_MS, 10, MAX_BYTES)).ready
        assert again.as_sent == Sent(b'{"title":"x"}', variant)
        transformed = replace(an_attempt(again), sent=b'{"title":"x"}')
        await asyncio.shield(store.record(again, transformed, Delivered()))
