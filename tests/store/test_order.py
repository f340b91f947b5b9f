"""What every backend promises of ordered lanes: the order of receipt, whatever else changes."""

import asyncio
from pathlib import Path

import pytest
from asking import FAR_MS, MAX_BYTES, OpenStore, add
from locks import write_lock
from nouns import NOW_MS, an_attempt, an_event
from replays import replayed

from dispatchd.errors import StoreUnavailable
from dispatchd.model import Dead, Delivered, Delivery, ErrorClass, RetryAt, Verdict
from dispatchd.store import Store
from dispatchd.store.jobs import LinkTerms, ReplayQuery

ANYTHING: LinkTerms = {"event_types": [], "filters": [], "rules": []}


async def first(store: Store, now_ms: int = FAR_MS) -> str | None:
    """Return the event whose delivery would be handed out next, and give it back."""
    due = await store.claim_in_order("crm", now_ms, MAX_BYTES)
    for delivery, _ in due.ready:
        store.release(delivery)
    return due.ready[0][0].event_id if due.ready else None


async def end(store: Store, verdict: Verdict, now_ms: int = FAR_MS) -> Delivery:
    """Claim the next one and keep a result for it."""
    due = await store.claim_in_order("crm", now_ms, MAX_BYTES)
    ((delivery, _),) = due.ready
    error = None if isinstance(verdict, Delivered) else ErrorClass.HTTP
    await store.record(delivery, an_attempt(delivery, error=error), verdict)
    return delivery


async def test_the_order_is_that_of_receipt_whatever_the_clock_said(store: Store) -> None:
    """Neither due times nor ids tell it: both are of a clock that somebody may set back."""
    await store.order_lanes(["crm"])
    ids = sorted((an_event().id for _ in range(3)), reverse=True)
    for n, event_id in enumerate(ids):
        await add(store, an_event(id=event_id, received_ms=NOW_MS - 1000 * n), "crm", "audit")
    for event_id in ids:
        assert (await end(store, Delivered())).event_id == event_id
    assert await first(store) is None
    audit = await store.claim("audit", FAR_MS, 10, MAX_BYTES)
    assert [d.event_id for d, _ in audit.ready] == ids[::-1]  # by due time, as ever


async def test_a_retry_holds_what_is_behind_it(store: Store) -> None:
    await store.order_lanes(["crm"])
    ids = [(await add(store, an_event(), "crm"))[0].event_id for _ in range(2)]
    await end(store, RetryAt(NOW_MS + 5000), NOW_MS)
    due = await store.claim_in_order("crm", NOW_MS + 4999, MAX_BYTES)
    assert (due.ready, due.more, due.next_due_ms) == ([], False, NOW_MS + 5000)
    assert (await end(store, Dead(), NOW_MS + 5000)).event_id == ids[0]
    assert await first(store, NOW_MS) == ids[1]


async def test_one_is_handed_out_at_a_time(store: Store) -> None:
    await store.order_lanes(["crm"])
    for _ in range(2):
        await add(store, an_event(), "crm")
    due = await store.claim_in_order("crm", FAR_MS, MAX_BYTES)
    again = await store.claim_in_order("crm", FAR_MS, MAX_BYTES)
    assert (len(due.ready), due.more, again.ready, again.more) == (1, True, [], True)


async def test_one_that_is_too_large_is_not_passed_by(store: Store) -> None:
    await store.order_lanes(["crm"])
    await add(store, an_event(body=b"x" * 900), "crm")
    await add(store, an_event(), "crm")
    due = await store.claim_in_order("crm", FAR_MS, 100)
    assert (due.ready, due.more) == ([], True)
    assert due.next_bytes is not None
    assert 900 < due.next_bytes < 1000  # headers count too


async def test_a_replay_keeps_the_place_of_its_event(store: Store) -> None:
    await store.order_lanes(["crm"])
    ids = [(await add(store, an_event(), "crm"))[0].event_id for _ in range(3)]
    await end(store, Delivered())
    await end(store, RetryAt(FAR_MS + 9))
    assert await replayed(store, ReplayQuery([ids[0]]), NOW_MS) == 1
    assert await first(store, NOW_MS) == ids[0]


async def test_what_was_owed_before_a_lane_became_ordered_has_its_place(store: Store) -> None:
    old = [(await add(store, an_event(), "crm"))[0].event_id for _ in range(3)]
    done = await store.claim("crm", FAR_MS, 1, MAX_BYTES)
    for delivery, _ in done.ready:
        await store.record(delivery, an_attempt(delivery), Delivered())
    await store.order_lanes(["crm"])
    new = (await add(store, an_event(), "crm"))[0].event_id
    assert await replayed(store, ReplayQuery([done.ready[0][0].event_id]), NOW_MS) == 1
    assert [(await end(store, Delivered())).event_id for _ in range(4)] == [*old, new]


async def test_a_lane_may_be_ordered_off_and_on_again(store: Store) -> None:
    await store.order_lanes(["crm"])
    ids = [(await add(store, an_event(), "crm"))[0].event_id]
    await store.order_lanes([])
    ids.append((await add(store, an_event(), "crm"))[0].event_id)
    assert len((await store.claim("crm", FAR_MS, 1, 0)).ready) == 0
    await store.order_lanes(["crm"])
    assert [(await end(store, Delivered())).event_id for _ in range(2)] == ids


async def test_what_another_process_keeps_for_an_ordered_lane_has_its_place(
    open_store: OpenStore,
) -> None:
    daemon = await open_store()
    await daemon.open_lanes(["crm"], NOW_MS)
    await daemon.order_lanes(["crm"])
    command = await open_store()
    event = an_event()
    await command.add_event(event, ["crm"])
    found = await daemon.claim_in_order("crm", NOW_MS, MAX_BYTES)
    assert [one[1].id for one in found.ready] == [event.id]


async def test_what_waits_to_be_kept_while_a_lane_becomes_ordered_has_its_place(
    store: Store,
) -> None:
    """Else it would be owed for ever: an ordered lane is handed out only what has a place."""
    adding = [asyncio.create_task(add(store, an_event(), "crm")) for _ in range(3)]
    await asyncio.sleep(0)  # now they wait for the next batch
    await store.order_lanes(["crm"])
    ids = [delivery.event_id for (delivery,) in await asyncio.gather(*adding)]
    assert [(await end(store, Delivered())).event_id for _ in ids] == ids


async def test_what_comes_after_an_order_could_not_be_taken_back_has_its_place(
    store: Store, tmp_path: Path
) -> None:
    """The lane is kept as an ordered one still; the next time it is declared changes nothing."""
    await store.order_lanes(["crm"])
    with write_lock(tmp_path / "store.db"), pytest.raises(StoreUnavailable):
        await store.order_lanes([])
    ids = [(await add(store, an_event(), "crm"))[0].event_id for _ in range(2)]
    await store.order_lanes(["crm"])
    assert [(await end(store, Delivered())).event_id for _ in ids] == ids


async def test_a_delivery_made_later_takes_the_place_of_its_event(store: Store) -> None:
    await store.order_lanes(["crm"])
    early, late = an_event(), an_event()
    await add(store, early)
    await add(store, late, "crm")
    query = ReplayQuery(to="crm", links={early.endpoint: ANYTHING})
    assert await replayed(store, query, NOW_MS) == 1
    assert await first(store) == early.id
