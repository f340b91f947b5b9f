"""Leases: claims that outlive the process, one for a delivery, ended once."""

import asyncio
import itertools
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from asking import FAR_MS, MAX_BYTES, OpenStore, add, claimed, pruned
from nouns import NOW_MS, an_attempt, an_event
from replays import replayed

from dispatchd.model import (
    Dead,
    Delivered,
    Delivery,
    DeliveryStatus,
    ErrorClass,
    RetryAt,
    Sent,
    Verdict,
)
from dispatchd.store import Store
from dispatchd.store.jobs import ReplayQuery
from dispatchd.store.leases import Lease, Taking
from dispatchd.store.sqlite import SqliteStore

UNTIL_MS = NOW_MS + 60_000
_ids = (f"lease-{n}" for n in itertools.count())


async def leased(store: Store, limit: int = 10, **fields: Any) -> list[Taking]:
    """Claim what is due now, and lease it for a minute."""
    due = await store.claim("crm", NOW_MS, limit, MAX_BYTES)
    takings = [Taking(next(_ids), delivery, **fields) for delivery, _ in due.ready]
    await store.lease(takings, NOW_MS, UNTIL_MS)
    return takings


async def leased_in_order(store: Store) -> list[Taking]:
    """Likewise of what an ordered lane has first."""
    due = await store.claim_in_order("crm", NOW_MS, MAX_BYTES)
    takings = [Taking(next(_ids), delivery) for delivery, _ in due.ready]
    await store.lease(takings, NOW_MS, UNTIL_MS)
    return takings


async def found(store: Store, taking: Taking, now_ms: int = NOW_MS) -> Lease:
    lease = await store.find_lease("crm", taking.id, now_ms)
    assert lease is not None
    return lease


async def ended(
    store: Store, lease: Lease, verdict: Verdict, now_ms: int = NOW_MS, *, ran_out: bool = False
) -> bool | None:
    error = None if isinstance(verdict, Delivered) else ErrorClass.REJECTED
    attempt = an_attempt(lease.delivery, error=error)
    return await store.end_lease(lease, attempt, verdict, now_ms, ran_out=ran_out)


async def one_owed(store: Store, event_id: str) -> Delivery:
    story = await store.get_event(event_id)
    assert story is not None
    (delivery,) = story.deliveries
    return delivery


async def test_what_is_leased_is_due_when_the_lease_ends(store: Store) -> None:
    event = an_event()
    await add(store, event, "crm")
    (taking,) = await leased(store)
    look = await store.claim("crm", NOW_MS, 10, MAX_BYTES)
    assert (look.ready, look.next_due_ms) == ([], UNTIL_MS)
    lease = await found(store, taking, NOW_MS + 5000)
    assert (lease.event, lease.started_ms, lease.held_ms) == (event, NOW_MS, 5000)
    assert (lease.delivery.attempts, lease.delivery.due_ms) == (0, UNTIL_MS)
    story = await store.get_event(event.id)
    assert story is not None
    assert story.leased == {"crm": UNTIL_MS}
    (lane,) = [lane for lane in await store.lanes() if lane.destination == "crm"]
    assert (lane.backlog, lane.leased) == (1, 1)


async def test_a_lease_outlives_whoever_opened_the_store(open_store: OpenStore) -> None:
    store = await open_store()
    await store.open_lanes(["crm"])
    event = an_event()
    await add(store, event, "crm")
    (taking,) = await leased(store)
    await store.close()
    again = await open_store()
    assert await claimed(again, NOW_MS) == []
    assert await ended(again, await found(again, taking), Delivered()) is False
    assert (await one_owed(again, event.id)).status is DeliveryStatus.SUCCESS


async def test_an_attempt_and_its_verdict_end_a_lease(store: Store) -> None:
    events = [an_event() for _ in range(3)]
    for event in events:
        await add(store, event, "crm")
    verdicts: list[Verdict] = [Delivered(), RetryAt(NOW_MS + 5), Dead()]
    leases = [await found(store, taking) for taking in await leased(store)]
    for lease, verdict in zip(leases, verdicts, strict=True):
        assert await ended(store, lease, verdict) is False
        assert await store.find_lease("crm", lease.id, NOW_MS) is None
        assert await ended(store, lease, verdict) is None  # there was one before
    owed = [await one_owed(store, event.id) for event in events]
    assert [d.status.value for d in owed] == ["success", "retrying", "failed"]
    assert [d.attempts for d in owed] == [1, 1, 1]
    assert [d.event_id for d in await claimed(store, NOW_MS + 5)] == [events[1].id]


async def test_of_all_who_end_a_lease_at_once_one_does(store: Store) -> None:
    event = an_event()
    await add(store, event, "crm")
    (taking,) = await leased(store)
    lease = await found(store, taking)
    answers = await asyncio.gather(*(ended(store, lease, Delivered()) for _ in range(5)))
    assert sorted(map(str, answers)) == ["False", "None", "None", "None", "None"]
    story = await store.get_event(event.id)
    assert story is not None
    assert len(story.attempts) == 1


async def test_what_cannot_be_ended_takes_nothing_else_of_its_batch_along(store: Store) -> None:
    await add(store, an_event(), "crm")
    (taking,) = await leased(store)
    lease = await found(store, taking)
    await ended(store, lease, Delivered())
    event = an_event()
    _, answer = await asyncio.gather(
        store.add_event(event, ["crm"]), ended(store, lease, Delivered())
    )
    assert answer is None
    assert [d.event_id for d in await claimed(store)] == [event.id]


async def test_a_lease_that_ran_out_is_ended_as_such_alone(store: Store) -> None:
    event = an_event()
    await add(store, event, "crm")
    (taking,) = await leased(store)
    lease = await found(store, taking)
    assert await store.find_lease("crm", taking.id, UNTIL_MS) is None
    assert await ended(store, lease, Delivered(), UNTIL_MS) is None
    early = await store.ran_out("crm", UNTIL_MS - 1, 10)
    assert (early.leases, early.more, early.next_ms) == ([], False, UNTIL_MS)
    assert await ended(store, lease, Dead(), UNTIL_MS - 1, ran_out=True) is None
    late = await store.ran_out("crm", UNTIL_MS + 7000, 10)
    assert [(one.id, one.held_ms) for one in late.leases] == [(taking.id, 60_000)]
    assert (late.more, late.next_ms) == (False, None)
    retry = RetryAt(UNTIL_MS + 9000)
    assert await ended(store, late.leases[0], retry, UNTIL_MS + 7000, ran_out=True) is False
    assert (await store.ran_out("crm", FAR_MS, 10)).leases == []
    owed = await one_owed(store, event.id)
    assert (owed.status, owed.attempts, owed.due_ms) == (
        DeliveryStatus.RETRYING,
        1,
        UNTIL_MS + 9000,
    )


async def test_those_that_ran_out_come_a_few_at_a_time(store: Store) -> None:
    for _ in range(3):
        await add(store, an_event(), "crm")
    await leased(store)
    first = await store.ran_out("crm", UNTIL_MS, 2)
    assert (len(first.leases), first.more) == (2, True)
    for lease in first.leases:
        await ended(store, lease, Dead(), UNTIL_MS, ran_out=True)
    rest = await store.ran_out("crm", UNTIL_MS, 2)
    assert (len(rest.leases), rest.more) == (1, False)


async def test_a_lease_is_extended_and_never_cut_short(store: Store) -> None:
    event = an_event()
    await add(store, event, "crm")
    (taking,) = await leased(store)
    later_ms = UNTIL_MS + 60_000
    for asked_ms in (later_ms, later_ms - 5000):
        extended = await store.extend_lease("crm", taking.id, NOW_MS, asked_ms)
        assert extended is not None
        assert (extended.event_id, extended.until_ms) == (event.id, later_ms)
    assert await claimed(store, later_ms - 1) == []
    assert (await store.ran_out("crm", later_ms - 1, 10)).next_ms == later_ms
    assert await store.extend_lease("crm", taking.id, later_ms, FAR_MS) is None  # too late
    assert await store.extend_lease("audit", taking.id, NOW_MS, FAR_MS) is None
    assert await store.extend_lease("crm", "another", NOW_MS, FAR_MS) is None


async def test_a_lease_of_another_lane_is_not_found(store: Store) -> None:
    await add(store, an_event(), "crm")
    (taking,) = await leased(store)
    assert await store.find_lease("audit", taking.id, NOW_MS) is None


async def test_a_replay_of_what_is_leased_waits_for_its_end(store: Store) -> None:
    event = an_event()
    await add(store, event, "crm")
    (taking,) = await leased(store)
    assert await replayed(store, ReplayQuery([event.id]), NOW_MS) == 1
    assert await claimed(store, UNTIL_MS - 1) == []
    assert await ended(store, await found(store, taking), Delivered()) is True
    owed = await one_owed(store, event.id)
    assert (owed.status, owed.attempts, owed.replays) == (DeliveryStatus.QUEUED, 1, 1)
    assert [d.event_id for d in await claimed(store, NOW_MS)] == [event.id]  # due at once


async def test_an_ordered_lane_waits_behind_a_lease(store: Store) -> None:
    await store.order_lanes(["crm"])
    first, second = an_event(), an_event()
    for event in (first, second):
        await add(store, event, "crm")
    claim = await store.claim_in_order("crm", NOW_MS, MAX_BYTES)
    ((delivery, _),) = claim.ready
    await store.lease([Taking("one", delivery)], NOW_MS, UNTIL_MS)
    look = await store.claim_in_order("crm", NOW_MS, MAX_BYTES)
    assert (look.ready, look.next_due_ms) == ([], UNTIL_MS)
    await ended(store, await found(store, Taking("one", delivery)), Delivered())
    ((delivery, _),) = (await store.claim_in_order("crm", NOW_MS, MAX_BYTES)).ready
    assert delivery.event_id == second.id


async def test_what_was_replayed_waits_for_what_an_ordered_lane_has_leased(store: Store) -> None:
    """It came before, and went out beside what a consumer still had."""
    await store.order_lanes(["crm"])
    first, second = an_event(), an_event()
    for event in (first, second):
        await add(store, event, "crm")
    (lease,) = [await found(store, one) for one in await leased_in_order(store)]
    assert lease.event == first
    await ended(store, lease, Delivered())
    (lease,) = [await found(store, one) for one in await leased_in_order(store)]
    assert lease.event == second
    await replayed(store, ReplayQuery([first.id]), NOW_MS)
    look = await store.claim_in_order("crm", NOW_MS, MAX_BYTES)
    assert (look.ready, look.more, look.next_due_ms) == ([], False, UNTIL_MS)
    await ended(store, lease, Delivered())
    look = await store.claim_in_order("crm", NOW_MS, MAX_BYTES)
    assert [event for _, event in look.ready] == [first]


async def test_a_clock_that_is_set_back_makes_no_lease_longer(store: Store) -> None:
    await add(store, an_event(), "crm")
    (taking,) = await leased(store)
    await store.keep_time(NOW_MS - 3_600_000, 3_600_000)
    back_ms = NOW_MS - 3_600_000
    assert (await found(store, taking, back_ms + 5000)).held_ms == 5000
    assert (await store.ran_out("crm", back_ms, 10)).next_ms == back_ms + 60_000
    assert len((await store.ran_out("crm", back_ms + 60_000, 10)).leases) == 1


async def test_what_was_handed_over_is_kept_for_a_replay(store: Store) -> None:
    event = an_event()
    await add(store, event, "crm")
    (taking,) = await leased(store, sent=Sent(b"[1]"), rule="2", transform="applied")
    lease = await found(store, taking)
    assert (lease.delivery.rule, lease.transform) == ("2", "applied")
    await ended(store, lease, Delivered())
    await replayed(store, ReplayQuery([event.id], as_sent=True), NOW_MS)
    ((delivery, _),) = (await store.claim("crm", NOW_MS, 10, MAX_BYTES)).ready
    assert delivery.as_sent == Sent(b"[1]")
    await store.lease([Taking("again", delivery)], NOW_MS, UNTIL_MS)  # the event's own
    lease = await found(store, Taking("again", delivery))
    await ended(store, lease, Delivered())
    await replayed(store, ReplayQuery([event.id], as_sent=True), NOW_MS)
    ((delivery, _),) = (await store.claim("crm", NOW_MS, 10, MAX_BYTES)).ready
    assert delivery.as_sent == Sent(None)


async def test_a_lease_whose_delivery_went_on_without_it_is_forgotten(store: Store) -> None:
    """Its destination was no queue for a while, and the delivery was sent."""
    event = an_event()
    await add(store, event, "crm")
    (taking,) = await leased(store)
    ((delivery, _),) = (await store.claim("crm", UNTIL_MS, 10, MAX_BYTES)).ready
    await store.record(delivery, an_attempt(delivery), Delivered())
    assert await store.find_lease("crm", taking.id, NOW_MS) is None
    assert (await store.ran_out("crm", UNTIL_MS, 10)).leases == []
    (lane,) = [lane for lane in await store.lanes() if lane.destination == "crm"]
    assert lane.leased == 0
    owed = await one_owed(store, event.id)
    assert (owed.status, owed.attempts) == (DeliveryStatus.SUCCESS, 1)


async def test_what_was_sent_past_a_lease_is_not_leased_any_more(store: Store) -> None:
    """Its destination is no queue now: nobody looks for leases that ran out."""
    event = an_event()
    await add(store, event, "crm")
    await leased(store)
    ((delivery, _),) = (await store.claim("crm", UNTIL_MS, 10, MAX_BYTES)).ready
    await store.record(delivery, an_attempt(delivery), RetryAt(UNTIL_MS + 5))
    (lane,) = [lane for lane in await store.lanes() if lane.destination == "crm"]
    assert (lane.backlog, lane.leased) == (1, 0)
    story = await store.get_event(event.id)
    assert story is not None
    assert story.leased == {}


async def test_what_ran_out_is_with_no_consumer_though_nobody_ends_it(store: Store) -> None:
    """Its destination has left the config."""
    event = an_event()
    await add(store, event, "crm")
    await leased(store)
    for now_ms, still in ((UNTIL_MS - 1, True), (UNTIL_MS, False)):
        await store.keep_time(now_ms)
        (lane,) = [lane for lane in await store.lanes() if lane.destination == "crm"]
        assert (lane.backlog, lane.leased) == (1, int(still))
        story = await store.get_event(event.id)
        assert story is not None
        assert story.leased == ({"crm": UNTIL_MS} if still else {})


async def test_a_lease_goes_with_its_event(sqlite_store: SqliteStore, tmp_path: Path) -> None:
    """Its destination has left the config, or is no queue any more."""
    store = sqlite_store
    await store.open_lanes(["crm"])
    event = an_event()
    await add(store, event, "crm")
    await leased(store)
    ((delivery, _),) = (await store.claim("crm", UNTIL_MS, 10, MAX_BYTES)).ready
    await store.record(delivery, an_attempt(delivery), Delivered())
    assert await pruned(store, FAR_MS) == (1, 0)
    with closing(sqlite3.connect(tmp_path / "s.db")) as connection:
        assert connection.execute("SELECT count(*) FROM leases").fetchall() == [(0,)]


async def test_what_is_leased_is_not_pruned(store: Store) -> None:
    event = an_event()
    await add(store, event, "crm")
    (taking,) = await leased(store)
    assert await pruned(store, FAR_MS) == (0, 0)
    await ended(store, await found(store, taking), Delivered())
    assert await pruned(store, FAR_MS) == (1, 0)
