"""The pace of a destination that only fails: so that a backlog for it costs next to nothing.

After `AFTER_FAILURES` in a row attempts start `GAP_S` apart, after each as many more twice as far,
up to `GAP_MAX_S`; one success restores full speed. Only the destination's own faults count.
"""

from typing import Final

from dispatchd.model import Delivered, Judged, Whose

AFTER_FAILURES: Final = 32
FAILING_AFTER: Final = 3
GAP_S: Final = 0.1
GAP_MAX_S: Final = 2.0  # how late the first success may come; 200 dead ones cost 100 attempts a s


class Pace:
    """A gate; `slow` says whether the destination is being paced, `failing` whether it works."""

    __slots__ = ("_next_s", "failures", "slow")

    def __init__(self) -> None:
        self.failures = 0  # in a row
        self._next_s = 0.0
        self.slow = False

    @property
    def fresh(self) -> bool:
        """Whether the last attempt did not fail."""
        return self.failures == 0

    @property
    def failing(self) -> bool:
        """Whether the last few attempts failed: it gets no more than its share of the memory."""
        return self.failures >= FAILING_AFTER

    def opens_at(self, now_s: float) -> float:
        """Return when the next attempt may start."""
        return self._next_s if self.slow else now_s

    def started(self, now_s: float) -> None:
        """Space the next attempt from this one."""
        if self.slow:
            doublings = min(self.failures // AFTER_FAILURES - 1, 10)
            self._next_s = now_s + min(GAP_S * 2.0**doublings, GAP_MAX_S)

    def ended(self, judged: Judged, now_s: float, *, probe: bool) -> None:  # noqa: ARG002 - a gate's signature
        """Count failures in a row."""
        if isinstance(judged, Delivered):
            self.failures = 0
            self.slow = False
        elif judged.whose is Whose.THEIRS:
            self.failures += 1
            self.slow = self.failures >= AFTER_FAILURES
