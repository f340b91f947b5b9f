"""How long commits take, counted in memory: a few additions for each batch."""

from bisect import bisect_left
from typing import Final

BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class CommitTimes:
    """A histogram of batches by the seconds that each took, and of the writes in them."""

    __slots__ = ("counts", "last_s", "total_s", "writes")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)  # the last: longer than every bound
        self.total_s = 0.0
        self.last_s: float | None = None
        self.writes = 0

    def took(self, seconds: float, writes: int) -> None:
        """Count a batch of so many writes."""
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.total_s += seconds
        self.last_s = seconds
        self.writes += writes

    def quantile_s(self, share: float) -> float | None:
        """Return the bound that `share` of all batches stayed under; None where there was none."""
        wanted = share * sum(self.counts)
        seen = 0
        for bound, count in zip((*BOUNDS_S, BOUNDS_S[-1]), self.counts, strict=True):
            seen += count
            if count and seen >= wanted:
                return bound
        return None
