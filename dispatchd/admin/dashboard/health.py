"""How a destination is, in a word and a tone; and when its backlog will be gone. Pure."""

from collections.abc import Sequence
from typing import Final

from dispatchd.frozen import frozen
from dispatchd.shapes.lane import LaneFields
from dispatchd.spelling import span

# Tones: good, busy, warn, bad, held, idle. A word stands beside each, so none is told by colour.
_HELD: Final = {
    "paused": ("Paused", "held"),
    "breaker": ("Breaker open", "bad"),
    "gone": ("Gone", "bad"),
    "config": ("Not in the config", "idle"),
}
_WAITS: Final = {
    "paused": "waits until it is resumed",
    "breaker": "waits for a probe to succeed",
    "gone": "waits until it is resumed",
    "config": "waits until it is in the config",
}
WORST_FIRST: Final = ("bad", "warn", "held", "busy", "good", "idle")
SEEN_PER_S: Final = 0.05
RESUMABLE: Final = ("paused", "breaker", "gone")
DELIVERY_TONES: Final = {
    "queued": "busy",
    "retrying": "warn",
    "success": "good",
    "failed": "bad",
    "held": "held",
}
DELIVERY_WORDS: Final = {
    "queued": "queued",
    "retrying": "retrying",
    "success": "delivered",
    "failed": "failed",
    "held": "held",
}


@frozen
class Health:
    """A word, its tone, why (in words, may be empty), and since when."""

    word: str
    tone: str
    why: str
    since: str | None


def health(lane: LaneFields) -> Health:
    """Say how a destination is."""
    if lane["held"]:
        hold = lane["held"][0]
        word, tone = _HELD[hold["kind"]]
        return Health(word, tone, hold["reason"], hold["since"])
    if lane["paced"] is not None:
        return Health("Paced", "warn", lane["paced"]["reason"], lane["paced"]["since"])
    success, error = lane["last_success"], lane["last_error"]
    if error is not None and (success is None or error > success):
        return Health("Failing", "bad", words(lane["last_error_class"] or ""), error)
    if success is None:
        return Health("Idle", "idle", "", None)
    return Health("Healthy", "good", "", success)


def worst_first(lanes: Sequence[LaneFields]) -> list[LaneFields]:
    """Sort by what wants to be looked at first, then by name."""
    return sorted(
        lanes, key=lambda lane: (WORST_FIRST.index(health(lane).tone), lane["destination"])
    )


def may_resume(lane: LaneFields) -> bool:
    """Whether something holds it that a person may overrule."""
    return any(hold["kind"] in RESUMABLE for hold in lane["held"])


def draining(lane: LaneFields, drain_per_s: float | None) -> str:
    """Say when a backlog will be gone, at the rate that was seen."""
    if not lane["backlog"]:
        return ""
    if lane["held"]:
        return _WAITS[lane["held"][0]["kind"]]
    if drain_per_s is None:
        return "measuring how fast it drains"
    if drain_per_s < SEEN_PER_S:  # less is not spelled
        return "not shrinking" if drain_per_s > -SEEN_PER_S else f"grows by {-drain_per_s:,.1f}/s"
    left_ms = lane["backlog"] / drain_per_s * 1000
    return f"gone in about {span(round(left_ms))}, at {drain_per_s:,.1f}/s"


def words(code: str) -> str:
    """Spell a fixed word of ours for people: `invalid_signature` is `invalid signature`."""
    return code.replace("_", " ")
