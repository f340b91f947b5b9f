"""Retention: old history that owes nothing is deleted bit by bit, and its space given back.

A batch is as large as two milliseconds allow, and a rest follows that is many times as long: who
waits for a commit rarely waits for one of these too, and then not for long.
"""

import asyncio
from typing import Final

from dispatchd.clock import Clock
from dispatchd.errors import StoreUnavailable
from dispatchd.facts import HistoryPruned, Tell
from dispatchd.store.retention import BEFORE_ALL, Cuts, Place, Retention
from dispatchd.upkeep.spec import StorageSpec

TICK_S: Final = 60.0  # between looks at the size, and at free pages
AGE_SHARE: Final = 100  # by age it looks after a hundredth of that age,
EVERY_MIN_S: Final = 60.0  # within these
EVERY_MAX_S: Final = 3600.0
RUN_TIMES: Final = 10  # and a long run is followed by so many times its own length without one
LOW_WATER: Final = 0.95  # of `max_size`: so far down, or there would be a run each minute

BATCH_S: Final = 0.002  # how long a batch may hold up a commit: about as long as a sync does
REST_TIMES: Final = 30
REST_MIN_S: Final = 0.1  # few larger batches touch fewer pages than many small ones
ROWS_FIRST: Final = 20
ROWS_MIN: Final = 8
ROWS_MAX: Final = 500
PAGES: Final = 64  # given back at once: each is moved, through the -wal file
# Of the file, free pages that stay: what comes next takes them, and nothing has to be moved.
RESERVE_SHARE: Final = 50


class HistoryRetention:
    """Keeps history to what `spec` says. Each run that deletes something is told as a fact."""

    def __init__(self, spec: StorageSpec, store: Retention, clock: Clock, tell: Tell) -> None:
        self._spec = spec
        self._store = store
        self._clock = clock
        self._tell = tell
        self._wake = asyncio.Event()
        self._rows = ROWS_FIRST
        self._due_s = {"age": 0.0, "size": 0.0}  # when (monotonic) each may run next
        self._stuck = False  # over `max_size`, with nothing left that may go: it was told

    def want(self, spec: StorageSpec) -> None:
        """Keep to another config from here on."""
        if spec != self._spec:
            self._spec = spec
            self._due_s = dict.fromkeys(self._due_s, 0.0)
            self._wake.set()

    async def run(self) -> None:
        """Prune for ever."""
        while True:
            await self._clock.wait(self._wake, TICK_S)  # first: a start has better things to do
            self._wake.clear()
            await self.step()

    async def step(self) -> None:
        """Do what is due: delete by size and by age, then give free pages back."""
        try:
            spec, now_ms = self._spec, self._clock.now_ms()
            if spec.max_bytes is not None:
                if (await self._store.usage()).used_bytes <= spec.max_bytes:
                    self._stuck = False
                elif self._is_due("size"):
                    low_bytes = int(spec.max_bytes * LOW_WATER)
                    await self._prune("size", Cuts(now_ms, now_ms, low_bytes), TICK_S)
            if self._is_due("age"):
                cuts = Cuts(now_ms - spec.events_ms, now_ms - spec.failed_ms)
                await self._prune("age", cuts, every_s(spec.events_ms))
            await self._give_back()
        except StoreUnavailable:
            pass  # others say so

    def _is_due(self, why: str) -> bool:
        return self._due_s[why] <= self._clock.monotonic_s()

    async def _prune(self, why: str, cuts: Cuts, again_s: float) -> None:
        """Run until nothing is left that may go, or another config is wanted."""
        began_s = self._clock.monotonic_s()
        events = kept_failed = 0
        after: Place | None = BEFORE_ALL
        try:
            while after is not None and not self._wake.is_set():
                pruned = await self._store.prune(cuts, after, self._rows)
                after = pruned.next
                events += pruned.events
                kept_failed += pruned.kept_failed
                self._rows = next_rows(self._rows, pruned.took_s)
                await self._clock.wait(self._wake, rest_s(pruned.took_s))
            if after is None:
                now_s = self._clock.monotonic_s()
                self._due_s[why] = now_s + max(again_s, RUN_TIMES * (now_s - began_s))
        finally:
            took_s = self._clock.monotonic_s() - began_s
            await self._told(why, events, kept_failed, took_s)

    async def _told(self, why: str, events: int, kept_failed: int, took_s: float) -> None:
        try:
            used_bytes = (await self._store.usage()).used_bytes
        except StoreUnavailable:
            return
        max_bytes = self._spec.max_bytes
        stuck = why == "size" and max_bytes is not None and used_bytes > max_bytes
        if events or (stuck and not self._stuck):
            self._tell(HistoryPruned(why, events, kept_failed, took_s, used_bytes, stuck))
        if why == "size":
            self._stuck = stuck

    async def _give_back(self) -> None:
        """Give back what is free beyond the reserve."""
        usage = await self._store.usage()
        left = usage.free_pages - usage.pages // RESERVE_SHARE
        while left > 0 and not self._wake.is_set():
            gave = await self._store.give_back(min(PAGES, left))
            if not gave:
                break
            left -= gave
            await self._clock.wait(self._wake, REST_MIN_S)
        await self._store.shrink()  # also by what another look, or another process, gave back


def every_s(events_ms: int) -> float:
    """Return how long to wait between runs for what may get `events_ms` old."""
    return min(max(events_ms / 1000 / AGE_SHARE, EVERY_MIN_S), EVERY_MAX_S)


def next_rows(rows: int, took_s: float) -> int:
    """Return of how many events the next batch is, where one of `rows` took so long."""
    if took_s > BATCH_S:
        return max(ROWS_MIN, int(rows * BATCH_S / took_s))
    return min(ROWS_MAX, rows * 2) if took_s < BATCH_S / 2 else rows


def rest_s(took_s: float) -> float:
    """Return how long the database belongs to others after a batch."""
    return max(REST_MIN_S, REST_TIMES * took_s)
