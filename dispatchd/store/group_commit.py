"""Many waiting writes become one transaction; each caller is told after its COMMIT.

A batch forms while the previous one commits, so a lone event waits for nothing and a flood shares
each fsync. Somebody waits for an event, nobody for a result: events go first, and few results with
them, so that a lane that drains holds up no sender: few by the time the disk needs anyway, as a
slow one takes more of them in the same wait. And a few results that come when nothing else does
wait a moment for an event to go with: an fsync for two. One bad write fails alone.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Generic, TypeVar

from dispatchd.errors import StoreUnavailable, WriteRejected
from dispatchd.frozen import frozen
from dispatchd.store.commit_times import CommitTimes

# How long results wait for an event, while there are fewer than go in any batch. After a crash
# what they tell of is sent again, as what was in flight is.
PATIENCE_S: Final = 0.03

W = TypeVar("W")
_Batch = list[tuple[W, "asyncio.Future[None]"]]
_Waiting = tuple[W, int, "asyncio.Future[None]"]  # with its bytes


@frozen
class Limits:
    """Bounds of the queue of writers: past the waiting ones a write is refused, not kept."""

    waiting: int = 4096
    waiting_bytes: int = 64 * 1024 * 1024
    batch: int = 512  # events; and no more results than that
    batch_bytes: int = 16 * 1024 * 1024  # of events, and as much of results
    results: int = 8  # of a batch at least, and as many as there are events
    results_per_s: int = 4000  # and of the time the last batch took: they add a fifth or so to it


class GroupCommit(Generic[W]):
    """Gathers writes and hands them to `commit` in batches, one batch at a time.

    `commit` begins to make a batch durable as a whole and returns the future of that. It fails,
    with nothing changed, with StoreUnavailable when the store is at fault, and with
    WriteRejected when a write in the batch is.
    """

    def __init__(
        self,
        commit: "Callable[[Sequence[W]], asyncio.Future[Any]]",
        limits: Limits | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._commit = commit
        self._limits = limits or Limits()
        self._monotonic = monotonic
        self._begun_s = 0.0
        self._took_s = 0.0  # the last batch
        self._events: deque[_Waiting[W]] = deque()
        self._events_bytes = 0
        self._results: deque[_Waiting[W]] = deque()
        self._halves: deque[_Batch[W]] = deque()  # of a batch with a bad write: they go first
        self._results_are_due = False  # one of those that wait is not to wait for an event
        self._patient_since_s: float | None = None  # monotonic; while only patient results wait
        self._timer_runs = False
        self.times = CommitTimes()
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    def submit(
        self, write: W, size_bytes: int, *, is_result: bool = False, patient: bool = False
    ) -> "asyncio.Future[None]":
        """Queue `write`; the future is done once it is durable, or fails as `commit` did.

        A `patient` result may wait for an event to go with. An event fails with StoreUnavailable,
        reason `overloaded`, at once when too much is waiting; the number of results is bounded
        elsewhere, and they must not keep new events out.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        if self._closed:
            done.set_exception(StoreUnavailable("closed", "the store is closing"))
        elif not is_result and (
            len(self._events) >= self._limits.waiting
            or self._events_bytes + size_bytes > self._limits.waiting_bytes
        ):
            done.set_exception(
                StoreUnavailable("overloaded", "too many writes are waiting for the disk")
            )
        else:
            if is_result:
                self._results.append((write, size_bytes, done))
                self._results_are_due = self._results_are_due or not patient
            else:
                self._events.append((write, size_bytes, done))
                self._events_bytes += size_bytes
            if self._idle.is_set():
                if self._may_wait():
                    self._wait()
                else:
                    self._idle.clear()
                    loop.call_soon(self._next)  # what else comes in this turn of the loop joins in
        return done

    async def close(self) -> None:
        """Refuse further writes and return when those under way are answered."""
        self._closed = True
        self._results_are_due = True
        self._go_on()
        await self._idle.wait()

    def _may_wait(self) -> bool:
        """Whether there is nothing but a few results that may wait for an event."""
        few = len(self._results) < self._limits.results
        return few and not (self._results_are_due or self._events or self._halves)

    def _wait(self) -> None:
        """Have the results that may wait do so. One timer serves many: few live to see its end."""
        if self._results and self._patient_since_s is None:
            self._patient_since_s = self._monotonic()
            if not self._timer_runs:
                self._start_timer(PATIENCE_S)

    def _start_timer(self, seconds: float) -> None:
        self._timer_runs = True
        asyncio.get_running_loop().call_later(seconds, self._timer_ended)

    def _timer_ended(self) -> None:
        self._timer_runs = False
        if self._patient_since_s is None:
            return
        left_s = self._patient_since_s + PATIENCE_S - self._monotonic()
        if left_s > 0:
            self._start_timer(left_s)
            return
        self._results_are_due = True
        self._go_on()

    def _go_on(self) -> None:
        """Begin with what has waited, unless a batch is under way: it goes with the next."""
        if self._idle.is_set():
            self._idle.clear()
            self._next()

    def _next(self) -> None:
        """Commit the next batch, until nothing waits, or nothing that may not."""
        if self._may_wait():
            self._idle.set()
            self._wait()
            return
        self._patient_since_s = None
        batch = self._halves.popleft() if self._halves else self._next_batch()
        if not batch:
            self._idle.set()
            return
        self._begun_s = self._monotonic()
        try:
            committing = self._commit([write for write, _ in batch])
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
            _fail(batch, error)
            asyncio.get_running_loop().call_soon(self._next)
        else:
            committing.add_done_callback(partial(self._ended, batch))

    def _ended(self, batch: "_Batch[W]", committing: "asyncio.Future[Any]") -> None:
        """Tell who waits; where one write was bad, halve the batch until that one stands alone."""
        self._took_s = self._monotonic() - self._begun_s
        self.times.took(self._took_s, len(batch))
        error = committing.exception()  # nobody else has it to cancel it
        if isinstance(error, WriteRejected) and len(batch) > 1:
            middle = len(batch) // 2
            self._halves.extendleft((batch[middle:], batch[:middle]))
        elif error is not None:
            _fail(batch, error)
        else:
            for _, done in batch:
                if not done.done():  # its caller may have gone
                    done.set_result(None)
        self._next()

    def _next_batch(self) -> "_Batch[W]":
        limits = self._limits
        batch: _Batch[W] = []
        self._events_bytes -= self._take(batch, self._events, limits.batch)
        in_time = int(self._took_s * limits.results_per_s)
        results = min(max(limits.results, in_time, len(batch)), limits.batch)
        # Whatever the events take: where they come as fast as the disk is, they take it all.
        self._take(batch, self._results, len(batch) + results)
        self._results_are_due = bool(self._results)  # what had no room has waited already
        return batch

    def _take(self, batch: "_Batch[W]", waiting: "deque[_Waiting[W]]", most: int) -> int:
        """Fill up a batch to `most` writes, at least with one; return the bytes of those."""
        taken_bytes = 0
        while waiting and len(batch) < most:
            write, size_bytes, done = waiting[0]
            if taken_bytes and taken_bytes + size_bytes > self._limits.batch_bytes:
                break
            waiting.popleft()
            taken_bytes += size_bytes
            batch.append((write, done))
        return taken_bytes


def _fail(batch: Sequence[tuple[object, asyncio.Future[None]]], error: BaseException) -> None:
    for _, done in batch:
        if not done.done():
            done.set_exception(error)
