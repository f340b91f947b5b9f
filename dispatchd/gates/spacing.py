"""The rate limit of a destination: starts stand apart, none is dropped, none is saved up.

Two starts are `gap_s` apart, less `SLACK_S` at most: a timer that rang late may be made up for,
so that the rate is kept and not only stayed under. Of earlier idleness nothing is made up for.
Nobody knows when a daemon before this one started its last attempt: the first waits a whole gap.
"""

from typing import Final

from dispatchd.model import Judged

SLACK_S: Final = 0.002  # what timers are worth


class Spacing:
    """A gate that opens every `gap_s`; `now_s` (monotonic) is when the daemon started."""

    __slots__ = ("_gap_s", "_next_s")

    def __init__(self, gap_s: float, now_s: float) -> None:
        self._gap_s = gap_s
        self._next_s = now_s + gap_s

    def change(self, gap_s: float) -> None:
        """Keep another rate from the last start on."""
        self._next_s += gap_s - self._gap_s
        self._gap_s = gap_s

    @property
    def fresh(self) -> bool:
        """Never: each start shuts it."""
        return False

    def opens_at(self, now_s: float) -> float:  # noqa: ARG002 - a gate's signature
        """Return when the next attempt may start."""
        return self._next_s

    def started(self, now_s: float) -> None:
        """Space the next attempt from this one."""
        late_s = min(max(0.0, now_s - self._next_s), SLACK_S)
        self._next_s = now_s - late_s + self._gap_s

    def ended(self, judged: Judged, now_s: float, *, probe: bool) -> None:
        """Whatever came of it was a request."""
