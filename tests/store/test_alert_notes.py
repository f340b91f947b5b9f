"""What every backend promises alerts: totals that lose nothing, and notes that go with an event."""

from dataclasses import replace

from asking import MAX_BYTES, OpenStore, add, claimed
from nouns import NOW_MS, an_attempt, an_event

from dispatchd.alert_kinds import ALERTS, AlertKind
from dispatchd.model import Dead, ErrorClass, HoldKind, RetryAt
from dispatchd.store import Store
from dispatchd.store.alerts import AlertNote, LaneTotals, LastFailure, Waiting
from dispatchd.store.jobs import ReplayQuery

NOTE = AlertNote("audit", AlertKind.LANE_HELD, "crm", mark=3, alerts=1, told_ms=NOW_MS)


async def dies(store: Store, **changes: object) -> str:
    """Have a delivery to crm fail for good; return its event's id."""
    event = an_event(**changes)
    (delivery,) = await add(store, event, "crm")
    await store.record(delivery, an_attempt(delivery, error=ErrorClass.HTTP), Dead())
    return event.id


async def test_what_fails_for_good_is_counted_with_its_result(store: Store) -> None:
    assert (await store.lane_totals())["crm"] == LaneTotals()
    await dies(store)
    last = await dies(store)
    (delivery,) = await add(store, an_event(), "crm")
    await store.record(
        delivery, an_attempt(delivery, error=ErrorClass.HTTP), RetryAt(NOW_MS + 1000)
    )
    totals = await store.lane_totals()
    assert (totals["crm"].failed, totals["crm"].failed_event) == (2, last)
    assert totals["audit"] == LaneTotals()
    assert await store.last_failure(last, "crm") == LastFailure(ErrorClass.HTTP, 500, None)
    assert await store.last_failure(last, "audit") is None


async def test_alerts_that_fail_are_counted_apart(store: Store) -> None:
    event_id = await dies(store, endpoint=ALERTS)
    assert (await store.lane_totals())["crm"] == LaneTotals(failed_alerts=1, failed_event=event_id)


async def test_a_failure_that_a_replay_overtook_is_not_counted(store: Store) -> None:
    event = an_event()
    await add(store, event, "crm")
    (taken,) = (await store.claim("crm", NOW_MS, 1, MAX_BYTES)).ready
    job = await store.add_job(ReplayQuery(event_ids=[event.id]), None, NOW_MS)
    page = await store.choose(job, 10)
    await store.advance(job, page, page.candidates, 0, NOW_MS)
    await store.record(taken[0], an_attempt(taken[0], error=ErrorClass.HTTP), Dead())
    assert (await store.lane_totals())["crm"].failed == 0


async def test_a_lane_is_held_once_however_many_reasons_there_are(store: Store) -> None:
    await store.hold_lane("crm", HoldKind.PAUSED, "moving", NOW_MS)
    await store.hold_lane("crm", HoldKind.PAUSED, "moving house", NOW_MS)
    await store.hold_lane("crm", HoldKind.BREAKER, "", NOW_MS)
    crm = (await store.lane_totals())["crm"]
    assert (crm.held, crm.opened) == (1, 0)
    assert crm.held_because == "breaker open; paused: moving house"
    await store.open_lane("crm", HoldKind.PAUSED)
    assert (await store.lane_totals())["crm"].opened == 0
    await store.open_lane("crm", *HoldKind)
    await store.open_lane("crm", *HoldKind)
    assert (await store.lane_totals())["crm"] == LaneTotals(held=1, opened=1)


async def test_a_lane_that_leaves_the_config_is_held_and_opened_once(store: Store) -> None:
    for names in (["audit"], ["audit"], ["audit", "crm"], ["audit", "crm"]):
        await store.open_lanes(names, NOW_MS)
    assert (await store.lane_totals())["crm"] == LaneTotals(held=1, opened=1)


async def test_what_waits_is_counted_up_to_a_bound_with_the_oldest(store: Store) -> None:
    assert await store.waiting("crm", 10) == Waiting(0, None)
    for n in range(3):
        await add(store, an_event(received_ms=NOW_MS + n), "crm")
    await add(store, an_event(received_ms=NOW_MS - 9), "audit")
    assert await store.waiting("crm", 10) == Waiting(3, NOW_MS)
    assert (await store.waiting("crm", 2)).deliveries == 2


async def test_the_last_events_of_some_endpoints(store: Store) -> None:
    for slug, at_ms in (("a", 1), ("a", 3), ("a", 2), ("b", 9), ("c", 0)):
        await add(store, an_event(endpoint=slug, received_ms=NOW_MS + at_ms))
    assert await store.last_events(NOW_MS + 1, ["a", "c", "d"]) == {"a": NOW_MS + 3}


async def test_an_alert_is_kept_with_its_note(open_store: OpenStore) -> None:
    store = await open_store()
    await store.open_lanes(["crm", "audit"])
    await store.order_lanes(["audit"])
    event = an_event(endpoint=ALERTS)
    note = replace(NOTE, event_id=event.id)
    await store.tell_alert(event, note)
    await store.close()
    store = await open_store()
    await store.order_lanes(["audit"])
    assert await store.alert_notes() == [note]
    found = await store.claim_in_order("audit", NOW_MS, MAX_BYTES)
    assert [got for _, got in found.ready] == [event]
    assert await claimed(store) == []


async def test_notes_replace_those_before_and_are_dropped(store: Store) -> None:
    other = replace(NOTE, kind=AlertKind.BACKLOG, active=True, pending=2, since_ms=NOW_MS)
    await store.keep_alert_notes([NOTE, other])
    changed = replace(other, pending=3)
    await store.keep_alert_notes([changed], [NOTE])
    assert await store.alert_notes() == [changed]
