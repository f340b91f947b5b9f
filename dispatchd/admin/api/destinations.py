"""Destinations: how they stand, pause, resume, and a test."""

from collections.abc import Sequence
from typing import Final, NotRequired, TypedDict

from dispatchd.admin.api.operation import DESTINATION, Asked, Operation
from dispatchd.admin.parts import AdminParts
from dispatchd.admin.problems import Problem, not_found
from dispatchd.model import HoldKind, LaneState
from dispatchd.shapes.attempted import TestFields
from dispatchd.shapes.lane import LaneFields, lane_fields
from dispatchd.store.base import RESUMABLE, LaneSummary

REASON_MAX_CHARS: Final = 200


class LanesFields(TypedDict):
    """Every destination, by name."""

    items: list[LaneFields]


class PauseFields(TypedDict):
    """Why a destination is paused, for whoever looks at it; at most 200 characters."""

    reason: NotRequired[str]


async def list_destinations(parts: AdminParts, _: Asked) -> LanesFields:
    """List every destination."""
    return {"items": [lane_fields(lane) for lane in await _lanes(parts)]}


async def get_destination(parts: AdminParts, asked: Asked) -> LaneFields:
    """Return how one destination stands."""
    return lane_fields(await _lane(parts, asked))


async def pause_destination(parts: AdminParts, asked: Asked) -> LaneFields:
    """Hold a destination by hand: its deliveries wait and use up no attempts."""
    reason = asked.body.get("reason", "")
    if len(reason) > REASON_MAX_CHARS:
        flaw = {"name": "reason", "message": f"has more than {REASON_MAX_CHARS} characters"}
        raise Problem(400, "invalid", "the reason is too long", errors=[flaw])  # type: ignore[list-item]
    lane = await _lane(parts, asked)
    # Paused again, it is paused since it first was; only the reason is another.
    since = [h.since_ms for h in lane.state.holds if h.kind is HoldKind.PAUSED and h.since_ms]
    since_ms = since[0] if since else asked.now_ms
    await parts.store.hold_lane(lane.destination, HoldKind.PAUSED, reason, since_ms)
    parts.look()
    return lane_fields(await _lane(parts, asked))


async def resume_destination(parts: AdminParts, asked: Asked) -> LaneFields:
    """End what holds a destination and a person may overrule."""
    lane = await _lane(parts, asked)
    if any(hold.kind in RESUMABLE for hold in lane.state.holds):
        await parts.store.open_lane(lane.destination, *RESUMABLE)
        parts.look()
    return lane_fields(await _lane(parts, asked))


async def test_destination(parts: AdminParts, asked: Asked) -> TestFields:
    """Send a request that says it is a test, and return what came of it."""
    name = asked.given["destination"]
    if name not in parts.running.destinations:
        raise not_found(f"destination {name!r} in the config")
    if parts.queue(name) is not None:
        words = "nothing is sent to a queue: send a webhook to an endpoint that leads there"
        raise Problem(409, "is_a_queue", words)
    return await parts.test(name)


async def _lanes(parts: AdminParts) -> list[LaneSummary]:
    return with_config(parts, await parts.reads.lanes())


def with_config(parts: AdminParts, counted: Sequence[LaneSummary]) -> list[LaneSummary]:
    """Add what the config has and the store has not seen; by name."""
    kept = {lane.destination: lane for lane in counted}
    for name in parts.running.destinations:
        kept.setdefault(name, LaneSummary(name, LaneState(), 0, None, None, None, None))
    return [kept[name] for name in sorted(kept)]


async def _lane(parts: AdminParts, asked: Asked) -> LaneSummary:
    name = asked.given["destination"]
    for lane in await _lanes(parts):
        if lane.destination == name:
            return lane
    raise not_found(f"destination {name!r}")


OPERATIONS: Final = (
    Operation(
        "GET",
        "/destinations",
        list_destinations,
        "List every destination: its state and why, what waits, what came of it last.",
        LanesFields,
    ),
    Operation(
        "GET",
        "/destinations/{destination}",
        get_destination,
        "Return how one destination stands.",
        LaneFields,
        in_path=(DESTINATION,),
    ),
    Operation(
        "POST",
        "/destinations/{destination}/pause",
        pause_destination,
        "Pause it: its deliveries wait and use up no attempts.",
        LaneFields,
        in_path=(DESTINATION,),
        body=PauseFields,
    ),
    Operation(
        "POST",
        "/destinations/{destination}/resume",
        resume_destination,
        "Resume it: ends a pause, an open breaker and a 410.",
        LaneFields,
        in_path=(DESTINATION,),
    ),
    Operation(
        "POST",
        "/destinations/{destination}/test",
        test_destination,
        "Send it a request that says it is a test; nothing is kept, nothing is tried again.",
        TestFields,
        in_path=(DESTINATION,),
    ),
)
