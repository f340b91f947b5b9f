"""All gates of one lane as one: the latest of them decides."""

from math import ceil
from typing import TYPE_CHECKING, Final

from dispatchd.gates.breaker import Breaker, BreakerPolicy
from dispatchd.gates.cooldown import Cooldown
from dispatchd.gates.pace import Pace
from dispatchd.gates.spacing import Spacing
from dispatchd.model import Judged

if TYPE_CHECKING:
    from dispatchd.gates.gate import Gate

RAMP_AT_ONCE: Final = 32


class Gates:
    """The gates of a lane. While `fresh`, none has to be asked or told of a success.

    `gap_s` is the rate limit's, None where there is none; `now_s` (monotonic) is the start.
    """

    __slots__ = ("_all", "_per_s", "_spacing", "breaker", "cooldown", "fresh", "pace")

    def __init__(self, breaker: BreakerPolicy, gap_s: float | None, now_s: float) -> None:
        self.pace = Pace()
        self.cooldown = Cooldown()
        self.breaker = Breaker(breaker)
        self._spacing: Spacing | None = None
        self._limit(gap_s, now_s)
        self.fresh = gap_s is None

    def change(self, breaker: BreakerPolicy, gap_s: float | None, now_s: float) -> None:
        """Go on by another policy and rate: what the gates know of the destination stays."""
        self.breaker.change(breaker, now_s)
        self._limit(gap_s, now_s)
        self.look_again()

    def _limit(self, gap_s: float | None, now_s: float) -> None:
        if gap_s is None:
            self._spacing = None
        elif self._spacing is None:
            self._spacing = Spacing(gap_s, now_s)
        else:
            self._spacing.change(gap_s)
        always: tuple[Gate, ...] = (self.pace, self.cooldown, self.breaker)
        self._all = always if self._spacing is None else (*always, self._spacing)
        self._per_s = None if gap_s is None else ceil(1 / gap_s)

    @property
    def failing(self) -> bool:
        """Whether what is in hand may wait long: then it gets no more than its share of memory."""
        return self._per_s is not None or self.pace.failing or self.breaker.ramping

    def at_once(self, most: int) -> int:
        """Return how many deliveries, `most` at most, are worth having in hand."""
        if self.pace.slow or self.breaker.open is not None:
            return 1
        if self.breaker.ramping:
            most = min(most, RAMP_AT_ONCE)
        return most if self._per_s is None else min(most, self._per_s)

    def opens_at(self, now_s: float) -> float:
        """Return when the next attempt may start; at most `now_s` is now."""
        if self.fresh:
            return now_s
        return max(gate.opens_at(now_s) for gate in self._all)

    def started(self, now_s: float) -> None:
        """Hear that an attempt started."""
        for gate in self._all:
            gate.started(now_s)
        self.look_again()

    def ended(self, judged: Judged, now_s: float, *, probe: bool) -> None:
        """Hear how an attempt ended; `probe` where it started while the breaker was open."""
        for gate in self._all:
            gate.ended(judged, now_s, probe=probe)
        self.look_again()

    def look_again(self) -> None:
        """Find out whether all are fresh: somebody changed one of them."""
        self.fresh = all(gate.fresh for gate in self._all)
