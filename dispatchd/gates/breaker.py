"""The circuit breaker: a destination that is down gets a probe now and then, and nothing else.

It opens after `open_after` failures in a row, the destination's own alone, and at a 410 at once.
While it is open the next attempt is a probe: one at a time, with gaps that double. Any success
closes it; then starts are `RAMP_PER_S` a second, twice as many every second, for `RAMP_S`: a
service that just came back is not knocked over by what waited for it. A failure meanwhile begins
the ramp anew.
"""

from math import inf
from typing import Final

from dispatchd.frozen import frozen
from dispatchd.model import Delivered, HoldKind, Judged, Whose

RAMP_PER_S: Final = 10.0
RAMP_S: Final = 8.0  # by then a start every half millisecond


@frozen
class BreakerPolicy:
    """When to open and how often to probe. `open_after` None: for a 410 alone."""

    open_after: int | None = None
    probe_every_s: float = 30.0
    max_probe_every_s: float = 600.0


class Breaker:
    """A gate; `open` says why it holds the lane, None while it is closed."""

    __slots__ = ("_gap_s", "_next_s", "_policy", "_probing", "_ramp_from_s", "failures", "open")

    def __init__(self, policy: BreakerPolicy) -> None:
        self._policy = policy
        self._gap_s = policy.probe_every_s
        self._next_s = 0.0
        self._probing = False
        self._ramp_from_s: float | None = None
        self.failures = 0  # in a row
        self.open: HoldKind | None = None

    def change(self, policy: BreakerPolicy, now_s: float) -> None:
        """Go on by another policy: open as it is, unless that opens for a 410 alone.

        A probe that the old one would make later than the new one ever does comes sooner.
        """
        self._policy = policy
        self._gap_s = min(max(self._gap_s, policy.probe_every_s), policy.max_probe_every_s)
        if self.open is None:
            return
        if self.open is HoldKind.BREAKER and not self.counts:
            self.close(now_s)
        else:
            self._next_s = min(self._next_s, now_s + self._gap_s)

    @property
    def fresh(self) -> bool:
        """Whether it is closed, and neither counting nor ramping."""
        return self.open is None and self.failures == 0 and self._ramp_from_s is None

    @property
    def counts(self) -> bool:
        """Whether failures open it, not a 410 alone."""
        return self._policy.open_after is not None

    @property
    def ramping(self) -> bool:
        """Whether it closed a moment ago."""
        return self._ramp_from_s is not None

    def opens_at(self, now_s: float) -> float:
        """Return when the next attempt may start: the next probe, or the next step of the ramp."""
        if self.open is not None:
            return inf if self._probing else self._next_s
        return now_s if self._ramp_from_s is None else self._next_s

    def started(self, now_s: float) -> None:
        """Note that the probe is under way, or space the next attempt of the ramp."""
        if self.open is not None:
            self._probing = True
        elif self._ramp_from_s is not None:
            since_s = now_s - self._ramp_from_s
            if since_s >= RAMP_S:
                self._ramp_from_s = None
            else:
                self._next_s = now_s + 1 / (RAMP_PER_S * 2**since_s)

    def ended(self, judged: Judged, now_s: float, *, probe: bool) -> None:
        """Open, close, or set the time of the next probe."""
        if isinstance(judged, Delivered):
            self.failures = 0
            if self.open is not None:
                self.close(now_s)
            return
        if judged.whose is Whose.THEIRS:
            self._failed(now_s, gone=judged.gone)
        if probe and self.open is not None:
            self._probing = False
            if judged.whose is Whose.THEIRS:
                self._gap_s = min(2 * self._gap_s, self._policy.max_probe_every_s)
            self._next_s = now_s + self._gap_s

    def close(self, now_s: float) -> None:
        """Close, and begin the ramp: it answered, or somebody says that it will."""
        self.open = None
        self.failures = 0
        self._probing = False
        self._ramp_from_s = self._next_s = now_s

    def restore(self, kind: HoldKind, now_s: float) -> None:
        """Be open as before a restart; the first probe comes after `probe_every_s`."""
        self.open = kind
        self._probing = False
        self._gap_s = self._policy.probe_every_s
        self._next_s = now_s + self._gap_s

    def _failed(self, now_s: float, *, gone: bool) -> None:
        self.failures += 1
        limit = self._policy.open_after
        if gone:
            self.open, self._ramp_from_s = HoldKind.GONE, None
            self._gap_s = self._policy.max_probe_every_s
            self._next_s = now_s + self._gap_s
        elif self.open is None:
            if self._ramp_from_s is not None:
                self._ramp_from_s = now_s
            if limit is not None and self.failures >= limit:
                self._ramp_from_s = None
                self.restore(HoldKind.BREAKER, now_s)
