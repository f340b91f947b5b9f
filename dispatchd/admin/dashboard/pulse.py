"""What happens right now: counts by the second, and whether anything has happened at all."""

import time
from collections.abc import Callable
from typing import Final

from dispatchd.facts import AttemptEnded, Fact, WebhookAnswered
from dispatchd.model import Dead, Delivered

RECEIVED: Final = "received"
DELIVERED: Final = "delivered"
FAILED: Final = "failed"  # for good
KINDS: Final = (RECEIVED, DELIVERED, FAILED)
SECONDS: Final = 64  # kept
RATE_S: Final = 10  # that a rate is the mean of


class Pulse:
    """A watcher of facts: a few additions each, in memory that does not grow.

    `version` moves with whatever a page may tell of.
    """

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self.version = 0
        self._monotonic_s = monotonic_s
        self._began_s = monotonic_s()
        self._counts = {kind: [0] * SECONDS for kind in KINDS}
        self._seconds = [-1] * SECONDS  # which second each place is of

    def watch(self, fact: Fact) -> None:
        """Take note of a fact."""
        self.version += 1
        if isinstance(fact, WebhookAnswered):
            if fact.event is not None and fact.error is None and fact.duplicate_of is None:
                self._count(RECEIVED)
        elif isinstance(fact, AttemptEnded):
            if isinstance(fact.verdict, Delivered):
                self._count(DELIVERED)
            elif isinstance(fact.verdict, Dead):
                self._count(FAILED)

    def touch(self) -> None:
        """Have the pages look again: something is another that is no fact."""
        self.version += 1

    def per_s(self, kind: str) -> float:
        """Return how many a second, of the last ten seconds that are whole."""
        now = int(self._monotonic_s())
        since = max(now - RATE_S, int(self._began_s))
        if now <= since:
            return 0.0
        places = [second % SECONDS for second in range(since, now)]
        counts = self._counts[kind]
        seen = (
            counts[p]
            for second, p in zip(range(since, now), places, strict=True)
            if self._seconds[p] == second
        )
        return sum(seen) / (now - since)

    def _count(self, kind: str) -> None:
        second = int(self._monotonic_s())
        place = second % SECONDS
        if self._seconds[place] != second:
            self._seconds[place] = second
            for counts in self._counts.values():
                counts[place] = 0
        self._counts[kind][place] += 1
