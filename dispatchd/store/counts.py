"""What came and what became of it, counted per minute and per hour: the history without a scan."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from dispatchd.frozen import frozen

MINUTE_S: Final = 60
HOUR_S: Final = 3600
KEPT_S: Final = {MINUTE_S: 26 * HOUR_S, HOUR_S: 400 * 24 * HOUR_S}

# The classes of the latency histogram, in ms: each is about the square root of two times the last.
# They are in databases: a new series may be finer, none may move.
LATENCY_BOUNDS_MS: Final = tuple(dict.fromkeys(round(2 ** (n / 2)) for n in range(35)))


def within_ms(latency_ms: float) -> int:
    """Return the class of a latency: the least bound that it does not pass, else the last."""
    place = bisect_left(LATENCY_BOUNDS_MS, latency_ms)
    return LATENCY_BOUNDS_MS[min(place, len(LATENCY_BOUNDS_MS) - 1)]


@frozen
class EndpointCount:
    """How many requests of `endpoint` (None for a slug that is nobody's) ended as `result`.

    In the minute or hour that began at `start_s` (Unix s).
    """

    start_s: int
    endpoint: str | None
    result: str
    count: int


@frozen
class DestinationCount:
    """How many attempts at `destination` made a delivery a `result` and took up to `within_ms`.

    `result` is success, retrying or failed; `within_ms` is 0 where nobody noted the time.
    """

    start_s: int
    destination: str
    result: str
    within_ms: int
    count: int


@frozen
class Counts:
    """The counts of a stretch of time, by minutes or hours (`span_s`), the oldest first.

    `next_ms` (Unix ms) is where it was cut; None where it is whole.
    """

    span_s: int
    endpoints: Sequence[EndpointCount]
    destinations: Sequence[DestinationCount]
    next_ms: int | None = None


def quantile_ms(counts: Sequence[tuple[int, int]], share: float) -> float | None:
    """Return the latency that `share` of the attempts stayed under; None where none was timed.

    `counts` are (`within_ms`, count). Inside a class it is interpolated, as if spread evenly.
    """
    timed = sorted((bound, count) for bound, count in counts if bound and count)
    total = sum(count for _, count in timed)
    if not total:
        return None
    wanted = share * total
    seen = 0
    for bound, count in timed:
        if seen + count >= wanted:
            place = LATENCY_BOUNDS_MS.index(bound) if bound in LATENCY_BOUNDS_MS else 0
            low = LATENCY_BOUNDS_MS[place - 1] if place else 0
            return round(low + (bound - low) * (wanted - seen) / count, 1)
        seen += count
    return float(timed[-1][0])
