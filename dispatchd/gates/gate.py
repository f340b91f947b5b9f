"""What every gate answers. A lane asks the latest of its gates."""

from typing import Protocol

from dispatchd.model import Judged


class Gate(Protocol):
    """One reason to wait. `now_s` is monotonic."""

    def opens_at(self, now_s: float) -> float:
        """Return when (monotonic, s) the next attempt may start; at most `now_s` is now."""

    def started(self, now_s: float) -> None:
        """Hear that an attempt started."""

    def ended(self, judged: Judged, now_s: float) -> None:
        """Hear how an attempt ended."""
