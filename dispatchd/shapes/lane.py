"""Destinations as they stand: state, why, and what waits."""

from typing import TYPE_CHECKING, Any, TypedDict

from dispatchd.shapes.spelling import iso_or_none

if TYPE_CHECKING:
    from dispatchd.store.base import LaneSummary


class HoldFields(TypedDict):
    """One reason why nothing is sent."""

    kind: str
    reason: str
    since: str | None
    detail: dict[str, Any]


class PacingFields(TypedDict):
    """Why the daemon goes easy on a destination."""

    reason: str
    since: str | None


class LaneFields(TypedDict):
    """A destination: `state` is open, paced or held.

    Of its `backlog` so many are `leased` to consumers, where it is a queue.
    """

    destination: str
    state: str
    held: list[HoldFields]
    paced: PacingFields | None
    backlog: int
    leased: int
    oldest_due: str | None
    last_success: str | None
    last_error: str | None
    last_error_class: str | None


def lane_fields(lane: "LaneSummary") -> LaneFields:
    """Return how a destination stands."""
    pacing = lane.state.pacing
    return {
        "destination": lane.destination,
        "state": lane.state.word,
        "held": [
            {
                "kind": hold.kind.value,
                "reason": hold.reason,
                "since": iso_or_none(hold.since_ms),
                "detail": dict(hold.detail),
            }
            for hold in lane.state.holds
        ],
        "paced": None
        if pacing is None
        else {"reason": pacing.reason, "since": iso_or_none(pacing.since_ms)},
        "backlog": lane.backlog,
        "leased": lane.leased,
        "oldest_due": iso_or_none(lane.oldest_due_ms),
        "last_success": iso_or_none(lane.last_success_ms),
        "last_error": iso_or_none(lane.last_error_ms),
        "last_error_class": None if lane.last_error is None else lane.last_error.value,
    }
