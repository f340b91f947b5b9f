"""What came and went over an hour, a day or a week: the counts in as many steps as a chart has.

It reads the counts per minute and hour alone, so it costs the same however long the history is.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from operator import add
from typing import Final

from dispatchd.admin.parts import AdminParts
from dispatchd.errors import StoreUnavailable
from dispatchd.frozen import frozen
from dispatchd.store.counts import (
    HOUR_S,
    MINUTE_S,
    Counts,
    quantile_ms,
)

# What became of a request that was taken; whatever else is counted is why it was not.
TAKEN: Final = frozenset({"received", "filtered", "duplicate", "handshake"})


# An attempt counts in the minute in which it began, once it has ended: most end soon. What ends
# late is seen when all is read again.
SOON_S: Final = 120
ROWS_MAX: Final = 5_000  # read at once
SETTLES_S: Final = {MINUTE_S: 60.0, HOUR_S: 600.0}


@frozen
class Span:
    """A stretch of time up to now: so many `steps` of `step_s`, of counts per `count_s`.

    What was read serves for `fresh_s`.
    """

    name: str
    words: str
    steps: int
    step_s: int
    count_s: int
    fresh_s: float

    def since_s(self, now_ms: int) -> int:
        """Return when it begins (Unix s): steps begin at whole ones."""
        return (now_ms // 1000 // self.step_s + 1 - self.steps) * self.step_s


SPANS: Final = {
    span.name: span
    for span in (
        Span("hour", "the last hour", 60, MINUTE_S, MINUTE_S, 1.0),
        Span("day", "the last day", 24, HOUR_S, HOUR_S, 5.0),
        Span("week", "the last week", 84, 2 * HOUR_S, HOUR_S, 15.0),
    )
}


@dataclass(slots=True)
class Line:
    """Of one endpoint or destination: what went well and what did not, by step.

    Of an endpoint these are requests taken and refused, of a destination attempts that succeeded
    and failed; `results` are the sums by result.
    """

    good: list[int]
    bad: list[int]
    results: dict[str, int] = field(default_factory=dict)
    times: dict[int, int] = field(default_factory=dict)  # of successes, by class

    def copy(self) -> "Line":
        """Return one that may be added to."""
        return Line(self.good[:], self.bad[:], dict(self.results), dict(self.times))

    def quantile_ms(self, share: float) -> float | None:
        """Return the time that `share` of the successful attempts stayed under."""
        return quantile_ms(list(self.times.items()), share)


@frozen
class Past:
    """A span's counts: of each endpoint (None: of slugs that are nobody's) and destination."""

    span: Span
    since_s: int
    endpoints: Mapping[str | None, Line]
    destinations: Mapping[str, Line]
    all_endpoints: Line
    all_destinations: Line
    p50_ms: Sequence[float | None]
    p99_ms: Sequence[float | None]

    def of_endpoint(self, name: str | None) -> Line:
        """Return an endpoint's line, empty where nothing came."""
        return self.endpoints.get(name) or _line(self.span)

    def of_destination(self, name: str) -> Line:
        """Likewise, a destination's."""
        return self.destinations.get(name) or _line(self.span)


class Pasts:
    """Reads the counts of a span: all of them once in each step, then what may be new."""

    def __init__(self, parts: AdminParts) -> None:
        self._parts = parts
        self._kept: dict[str, _Kept] = {}
        self._reading = {name: asyncio.Lock() for name in SPANS}

    async def get(self, span: Span) -> Past:
        """Return what is known of a span. Raises StoreUnavailable."""
        async with self._reading[span.name]:
            now_ms, now_s = self._parts.clock.now_ms(), time.monotonic()
            since_s = span.since_s(now_ms)
            kept = self._kept.get(span.name)
            if kept is None or kept.laid.since_s != since_s or now_s >= kept.settles_s:
                kept = self._kept[span.name] = await self._settled(span, since_s, now_ms)
                kept.settles_s = now_s + SETTLES_S[span.count_s]
            elif kept.past is not None and now_s < kept.fresh_until_s:
                return kept.past
            laid = kept.laid.copy()
            laid.lay(await self._counts(span, kept.edge_s, now_ms))
            kept.past, kept.fresh_until_s = laid.past(), now_s + span.fresh_s
            return kept.past

    async def warm(self) -> None:
        """Read ahead what takes the longest, so that the first to look need not wait."""
        for span in SPANS.values():
            with suppress(StoreUnavailable):
                await self.get(span)

    async def _settled(self, span: Span, since_s: int, now_ms: int) -> "_Kept":
        """Lay everything that ended some time ago, and will hardly change any more."""
        edge_s = (now_ms // 1000 - SOON_S) // span.count_s * span.count_s
        laid = _Laid.empty(span, since_s)
        next_ms: int | None = since_s * 1000
        while next_ms is not None:  # piece by piece, so that nobody waits for all of it
            counts = await self._parts.reads.counts(span.count_s, next_ms, edge_s * 1000, ROWS_MAX)
            laid.lay(counts)
            next_ms = counts.next_ms
        return _Kept(laid, edge_s)

    async def _counts(self, span: Span, since_s: int, now_ms: int) -> Counts:
        return await self._parts.reads.counts(span.count_s, since_s * 1000, now_ms + 1)


@dataclass(slots=True)
class _Kept:
    """What is laid up to `edge_s` (Unix s), and the whole as it was last told."""

    laid: "_Laid"
    edge_s: int
    settles_s: float = 0.0
    past: Past | None = None
    fresh_until_s: float = 0.0


@dataclass(slots=True)
class _Laid:
    """Counts on their way into the steps of a span."""

    span: Span
    since_s: int
    endpoints: dict[str | None, Line]
    destinations: dict[str, Line]
    times: list[dict[int, int]]  # of successes by class, for each step

    @classmethod
    def empty(cls, span: Span, since_s: int) -> "_Laid":
        return cls(span, since_s, {}, {}, [{} for _ in range(span.steps)])

    def copy(self) -> "_Laid":
        return _Laid(
            self.span,
            self.since_s,
            {name: line.copy() for name, line in self.endpoints.items()},
            {name: line.copy() for name, line in self.destinations.items()},
            [dict(step) for step in self.times],
        )

    def lay(self, counts: Counts) -> None:
        """Add counts; what began before the span or after it is left out."""
        since_s, step_s, steps = self.since_s, self.span.step_s, self.span.steps
        for one in counts.endpoints:
            step = (one.start_s - since_s) // step_s
            if 0 <= step < steps:
                line = self.endpoints.get(one.endpoint)
                if line is None:
                    line = self.endpoints[one.endpoint] = _line(self.span)
                (line.good if one.result in TAKEN else line.bad)[step] += one.count
                line.results[one.result] = line.results.get(one.result, 0) + one.count
        for each in counts.destinations:
            step = (each.start_s - since_s) // step_s
            if 0 <= step < steps:
                line = self.destinations.get(each.destination)
                if line is None:
                    line = self.destinations[each.destination] = _line(self.span)
                result, count = each.result, each.count
                line.results[result] = line.results.get(result, 0) + count
                if result == "success":
                    within, now = each.within_ms, self.times[step]
                    line.good[step] += count
                    line.times[within] = line.times.get(within, 0) + count
                    now[within] = now.get(within, 0) + count
                else:
                    line.bad[step] += count

    def past(self) -> Past:
        """Return what was laid, with its sums."""
        return Past(
            self.span,
            self.since_s,
            self.endpoints,
            self.destinations,
            _sum(self.span, self.endpoints.values()),
            _sum(self.span, self.destinations.values()),
            [quantile_ms(list(step.items()), 0.5) for step in self.times],
            [quantile_ms(list(step.items()), 0.99) for step in self.times],
        )


def past_of(span: Span, since_s: int, counts: Counts) -> Past:
    """Lay counts into the steps of a span that began at `since_s`."""
    laid = _Laid.empty(span, since_s)
    laid.lay(counts)
    return laid.past()


def _line(span: Span) -> Line:
    return Line([0] * span.steps, [0] * span.steps)


def _sum(span: Span, lines: Iterable[Line]) -> Line:
    whole = _line(span)
    for line in lines:
        whole.good = list(map(add, whole.good, line.good))
        whole.bad = list(map(add, whole.bad, line.bad))
        for result, count in line.results.items():
            whole.results[result] = whole.results.get(result, 0) + count
        for within_ms, count in line.times.items():
            whole.times[within_ms] = whole.times.get(within_ms, 0) + count
    return whole
