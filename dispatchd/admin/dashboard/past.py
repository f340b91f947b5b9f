"""What came and went over an hour, a day or a week: the counts in as many steps as a chart has.

It reads the counts per minute and hour alone, so it costs the same however long the history is.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from dispatchd.admin.parts import AdminParts
from dispatchd.store.counts import HOUR_S, MINUTE_S, Counts, quantile_ms

# What became of a request that was taken; whatever else is counted is why it was not.
TAKEN: Final = frozenset({"received", "filtered", "duplicate", "handshake"})


@dataclass(frozen=True, slots=True)
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

    def quantile_ms(self, share: float) -> float | None:
        """Return the time that `share` of the successful attempts stayed under."""
        return quantile_ms(list(self.times.items()), share)


@dataclass(frozen=True, slots=True)
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
    """Reads the counts of a span, unless that was done just now."""

    def __init__(self, parts: AdminParts) -> None:
        self._parts = parts
        self._read: dict[str, tuple[float, Past]] = {}
        self._reading = asyncio.Lock()

    async def get(self, span: Span) -> Past:
        """Return what is known of a span. Raises StoreUnavailable."""
        async with self._reading:
            found = self._read.get(span.name)
            if found is not None and time.monotonic() < found[0]:
                return found[1]
            now_ms = self._parts.clock.now_ms()
            since_s = span.since_s(now_ms)
            counts = await self._parts.reads.counts(span.count_s, since_s * 1000, now_ms + 1)
            past = past_of(span, since_s, counts)
            self._read[span.name] = (time.monotonic() + span.fresh_s, past)
            return past


def past_of(span: Span, since_s: int, counts: Counts) -> Past:
    """Lay counts into the steps of a span that began at `since_s`."""
    endpoints: dict[str | None, Line] = defaultdict(lambda: _line(span))
    destinations: dict[str, Line] = defaultdict(lambda: _line(span))
    whole_in, whole_out = _line(span), _line(span)
    times: list[list[tuple[int, int]]] = [[] for _ in range(span.steps)]
    for came in counts.endpoints:
        step = (came.start_s - since_s) // span.step_s
        if 0 <= step < span.steps:
            for line in (endpoints[came.endpoint], whole_in):
                _add(line, step, came.result, came.count, good=came.result in TAKEN)
    for went in counts.destinations:
        step = (went.start_s - since_s) // span.step_s
        if 0 <= step < span.steps:
            good = went.result == "success"
            for line in (destinations[went.destination], whole_out):
                _add(line, step, went.result, went.count, good=good)
                if good:
                    line.times[went.within_ms] = line.times.get(went.within_ms, 0) + went.count
            if good:
                times[step].append((went.within_ms, went.count))
    return Past(
        span,
        since_s,
        dict(endpoints),
        dict(destinations),
        whole_in,
        whole_out,
        [quantile_ms(step, 0.5) for step in times],
        [quantile_ms(step, 0.99) for step in times],
    )


def _line(span: Span) -> Line:
    return Line([0] * span.steps, [0] * span.steps)


def _add(line: Line, step: int, result: str, count: int, *, good: bool) -> None:
    (line.good if good else line.bad)[step] += count
    line.results[result] = line.results.get(result, 0) + count
