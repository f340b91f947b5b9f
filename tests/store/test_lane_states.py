"""What every backend promises of lanes and what holds them, through the protocol alone."""

from dataclasses import replace

import pytest
from asking import OpenStore, add, claimed
from nouns import NOW_MS, an_attempt, an_event

from dispatchd.model import (
    Dead,
    Delivered,
    DeliveryStatus,
    ErrorClass,
    Hold,
    HoldKind,
    LaneState,
    Pacing,
    RetryAt,
)
from dispatchd.store import Store
from dispatchd.store.base import EventQuery, LaneSummary

PAUSED = Hold(HoldKind.PAUSED, "maintenance", NOW_MS, {})
BREAKER = Hold(HoldKind.BREAKER, "", NOW_MS + 5, {"probe_ms": NOW_MS + 35_000, "gap_s": 30.0})


async def holds(store: Store, destination: str = "crm") -> tuple[Hold, ...]:
    return (await store.lane_states())[destination].holds


async def test_a_lane_is_held_until_no_reason_is_left(store: Store) -> None:
    event = an_event()
    (owed,) = await add(store, event, "crm")
    assert await store.lane_states() == {"crm": LaneState(), "audit": LaneState()}
    for hold in (PAUSED, BREAKER):
        await store.hold_lane("crm", hold.kind, hold.reason, hold.since_ms or 0, hold.detail)
    assert await holds(store) == (BREAKER, PAUSED)
    assert await holds(store, "audit") == ()
    story = await store.get_event(event.id)
    assert story is not None
    assert story.held == {"crm": "breaker open; paused: maintenance"}
    assert [d.status for d in story.deliveries] == ["held"]
    await store.open_lane("crm", HoldKind.PAUSED)
    assert await holds(store) == (BREAKER,)
    (summary,) = await store.find_events(EventQuery(delivery_status=DeliveryStatus.HELD))
    assert summary.deliveries == {DeliveryStatus.HELD: 1}
    await store.open_lane("crm", *HoldKind)
    assert await holds(store) == ()
    assert await claimed(store) == [owed]


async def test_a_hold_said_anew_replaces_the_first(store: Store) -> None:
    await store.hold_lane("crm", HoldKind.BREAKER, "timeout", NOW_MS, {"gap_s": 30.0})
    await store.hold_lane("crm", HoldKind.BREAKER, "timeout", NOW_MS, {"gap_s": 60.0})
    assert await holds(store) == (Hold(HoldKind.BREAKER, "timeout", NOW_MS, {"gap_s": 60.0}),)


async def test_what_holds_a_lane_outlives_the_process(open_store: OpenStore) -> None:
    store = await open_store()
    await store.hold_lane("never-opened", HoldKind.PAUSED, "", NOW_MS)
    await store.hold_lane("crm", HoldKind.BREAKER, "", NOW_MS + 5, BREAKER.detail)
    await store.close()
    store = await open_store()
    await store.open_lanes(["crm", "never-opened"], NOW_MS)
    assert await store.lane_states() == {
        "crm": LaneState((BREAKER,)),
        "never-opened": LaneState((Hold(HoldKind.PAUSED, "", NOW_MS, {}),)),
    }


async def test_since_when_a_destination_is_gone_is_when_it_first_was(store: Store) -> None:
    for later_ms in (0, 1000):
        await store.open_lanes(["audit"], NOW_MS + later_ms)
        assert await holds(store) == (Hold(HoldKind.CONFIG, "", NOW_MS, {}),)
    await store.hold_lane("crm", HoldKind.PAUSED, "", NOW_MS)
    await store.open_lanes(["crm", "audit"], NOW_MS + 2000)
    assert [hold.kind for hold in await holds(store)] == [HoldKind.PAUSED]


async def test_a_hold_is_noticed_by_another_process(open_store: OpenStore) -> None:
    daemon, command = await open_store(), await open_store()
    seen = await daemon.version()
    await daemon.hold_lane("crm", HoldKind.BREAKER, "", NOW_MS)
    assert await daemon.version() == seen
    await command.open_lane("crm", HoldKind.BREAKER)
    assert await daemon.version() != seen


@pytest.mark.parametrize("owed", [True, False])
async def test_only_a_gone_lane_that_owes_is_told_of(store: Store, *, owed: bool) -> None:
    if owed:
        await add(store, an_event(), "crm")
    assert await store.open_lanes(["audit"], NOW_MS) == (["crm"] if owed else [])


async def test_why_a_lane_is_paced_is_kept_until_it_is_not(open_store: OpenStore) -> None:
    store = await open_store()
    await store.open_lanes(["crm", "audit"], NOW_MS)
    pacing = Pacing("32 failures in a row", NOW_MS)
    await store.pace_lanes({"crm": pacing, "audit": pacing, "unheard-of": pacing})
    assert await store.lane_states() == {
        "crm": LaneState((), pacing),
        "audit": LaneState((), pacing),
    }
    await store.pace_lanes({"audit": None})
    states = await store.lane_states()
    assert (states["crm"].word, states["audit"].word) == ("paced", "open")
    await store.hold_lane("crm", HoldKind.PAUSED, "", NOW_MS)
    assert (await store.lane_states())["crm"].word == "held"
    await store.close()
    store = await open_store()  # another daemon, which paces nobody yet
    await store.open_lanes(["crm", "audit"], NOW_MS)
    assert (await store.lane_states())["crm"].pacing is None


async def test_a_lane_tells_what_it_owes_and_what_came_of_it_last(store: Store) -> None:
    deliveries = []
    for n in range(4):
        deliveries += await add(store, an_event(received_ms=NOW_MS + n), "crm")
    assert await store.lanes() == [
        LaneSummary("audit", LaneState(), 0, None, None, None, None),
        LaneSummary("crm", LaneState(), 4, NOW_MS, None, None, None),
    ]
    ends = [
        (0, None, Delivered()),
        (100, None, Delivered()),  # within the second of the first
        (1200, ErrorClass.TIMEOUT, RetryAt(NOW_MS + 9)),
        (1300, ErrorClass.HTTP, Dead()),  # another class is told at once
    ]
    for delivery, (after_ms, error, verdict) in zip(deliveries, ends, strict=True):
        attempt = replace(an_attempt(delivery, error=error), started_ms=NOW_MS + after_ms)
        await store.record(delivery, attempt, verdict)
    await store.hold_lane("gone", HoldKind.PAUSED, "", NOW_MS)
    assert [lane.destination for lane in await store.lanes()] == ["audit", "crm", "gone"]
    assert (await store.lanes())[1] == LaneSummary(
        "crm", LaneState(), 1, NOW_MS + 9, NOW_MS, NOW_MS + 1300, ErrorClass.HTTP
    )
