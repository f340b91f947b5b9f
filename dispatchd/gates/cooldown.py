"""A destination that asked to be left alone: 429 or 503 with `Retry-After` (RFC 6585, RFC 9110).

It spoke of everything, not of the one request: nothing starts before that time is over. What was
under way meanwhile may ask for longer, never for less, and its success ends nothing.
"""

from typing import Final

from dispatchd.model import Delivered, Judged

COOL_MAX_S: Final = 24 * 3600.0


class Cooldown:
    """A gate that is shut until `until_s` (monotonic); 0 when it is not."""

    __slots__ = ("until_s",)

    def __init__(self) -> None:
        self.until_s = 0.0

    @property
    def fresh(self) -> bool:
        """Whether nothing started yet after the last wait, or none was asked for."""
        return self.until_s == 0.0

    def opens_at(self, now_s: float) -> float:
        """Return when the wait is over."""
        return max(now_s, self.until_s)

    def started(self, now_s: float) -> None:
        """Forget a wait that is over."""
        if now_s >= self.until_s:
            self.until_s = 0.0

    def ended(self, judged: Judged, now_s: float, *, probe: bool) -> None:  # noqa: ARG002 - a gate's signature
        """Shut for as long as was asked."""
        if not isinstance(judged, Delivered) and judged.throttled and judged.retry_after_ms > 0:
            wait_s = min(judged.retry_after_ms / 1000, COOL_MAX_S)
            self.until_s = max(self.until_s, now_s + wait_s)
