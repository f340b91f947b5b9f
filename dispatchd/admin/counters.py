"""What is counted of facts for the metrics: a few additions each, in memory, no label unbounded."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from dispatchd.facts import AttemptEnded, Fact, HistoryPruned, WebhookAnswered, result_of
from dispatchd.model import Dead, Delivered

NOBODY: Final = "-"  # the endpoint of requests to slugs that are nobody's
REQUEST_BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)
ATTEMPT_BOUNDS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
DELIVERY_BOUNDS_S: Final = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 3600.0, 86_400.0)


class Histogram:
    """Counts by class, of values in seconds."""

    __slots__ = ("bounds_s", "counts", "total_s")

    def __init__(self, bounds_s: Sequence[float]) -> None:
        self.bounds_s = bounds_s
        self.counts = [0] * (len(bounds_s) + 1)
        self.total_s = 0.0

    def add(self, seconds: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds_s, seconds)] += 1
        self.total_s += seconds


class Counters:
    """A watcher of facts. Names are the config's, results fixed words of ours."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, str], int] = {}
        self.attempts: dict[tuple[str, str], int] = {}
        self.ended: dict[tuple[str, str], int] = {}
        self.pruned = {"age": 0, "size": 0}
        self.request_times = Histogram(REQUEST_BOUNDS_S)
        self.attempt_times: dict[str, Histogram] = {}
        self.delivery_times: dict[str, Histogram] = {}

    def watch(self, fact: Fact) -> None:
        """Count a fact."""
        if isinstance(fact, WebhookAnswered):
            endpoint = NOBODY if fact.error == "unknown_endpoint" else fact.endpoint
            _count(self.requests, (endpoint, result_of(fact)))
            self.request_times.add(fact.latency_ms / 1000)
        elif isinstance(fact, AttemptEnded):
            self._attempt(fact)
        elif isinstance(fact, HistoryPruned):
            self.pruned[fact.why] = self.pruned.get(fact.why, 0) + fact.events

    def _attempt(self, fact: AttemptEnded) -> None:
        attempt, destination = fact.attempt, fact.attempt.destination
        _count(self.attempts, (destination, attempt.error or "success"))
        _times(self.attempt_times, destination, ATTEMPT_BOUNDS_S).add(attempt.latency_ms / 1000)
        if isinstance(fact.verdict, Delivered):
            _count(self.ended, (destination, "success"))
            took_ms = attempt.started_ms + attempt.latency_ms - fact.event.received_ms
            times = _times(self.delivery_times, destination, DELIVERY_BOUNDS_S)
            times.add(max(0.0, took_ms / 1000))  # the wall clock may have been set back meanwhile
        elif isinstance(fact.verdict, Dead):
            _count(self.ended, (destination, "failed"))


def _count(counts: dict[tuple[str, str], int], key: tuple[str, str]) -> None:
    counts[key] = counts.get(key, 0) + 1


def _times(times: dict[str, Histogram], name: str, bounds_s: Sequence[float]) -> Histogram:
    found = times.get(name)
    if found is None:
        found = times[name] = Histogram(bounds_s)
    return found


def cumulated(counts: Sequence[int], bounds_s: Sequence[float]) -> list[tuple[str, float]]:
    """Return the classes of a histogram as Prometheus wants them, each with those below it."""
    names = [*(f"{bound:g}" for bound in bounds_s), "+Inf"]
    total = 0
    found = []
    for name, count in zip(names, counts, strict=True):
        total += count
        found.append((name, float(total)))
    return found
