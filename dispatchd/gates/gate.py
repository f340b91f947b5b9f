"""What every gate answers. A lane asks the latest of its gates."""

from typing import Protocol

from dispatchd.model import Judged


class Gate(Protocol):
    """One reason to wait. `now_s` is monotonic."""

    @property
    def fresh(self) -> bool:
        """Whether it is as on the first day: open, and neither a start nor a success changes it."""

    def opens_at(self, now_s: float) -> float:
        """Return when (monotonic, s) the next attempt may start; at most `now_s` is now."""

    def started(self, now_s: float) -> None:
        """Hear that an attempt started."""

    def ended(self, judged: Judged, now_s: float, *, probe: bool) -> None:
        """Hear how an attempt ended; `probe` where it started while the breaker was open."""
