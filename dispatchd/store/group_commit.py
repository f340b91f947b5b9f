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
_Waiting = tuple[W, int, "asyncio.Future[None]"]  # with its bytes
_Batch = list[_Waiting[W]]
Ended = Callable[[BaseException | None], None]  # is told of a batch, None where it is durable


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

    `commit` begins to make a batch durable as a whole, and calls what it is given when that has
    ended. It fails, with nothing changed, with StoreUnavailable when the store is at fault, and
    with WriteRejected when a write in the batch is.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[W], Ended], None],
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
        self._patience: asyncio.TimerHandle | None = None  # while results wait for an event
        self.times = CommitTimes()
        self._busy = False  # a batch is under way, or about to be
        self._closed = False
        self._at_rest = asyncio.Event()  # once it is closed

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
            return done
        if is_result:
            self._results.append((write, size_bytes, done))
            if not patient:
                self._results_are_due = True
            elif not self._busy and self._may_wait():
                self._wait()
                return done
        else:
            limits, waiting_bytes = self._limits, self._events_bytes + size_bytes
            if len(self._events) >= limits.waiting or waiting_bytes > limits.waiting_bytes:
                done.set_exception(
                    StoreUnavailable("overloaded", "too many writes are waiting for the disk")
                )
                return done
            self._events.append((write, size_bytes, done))
            self._events_bytes = waiting_bytes
        if not self._busy:
            self._busy = True
            loop.call_soon(self._next)  # what else comes in this turn of the loop joins in
        return done

    async def close(self) -> None:
        """Refuse further writes and return when those under way are answered."""
        self._closed = True
        self._results_are_due = True
        self._go_on()
        await self._at_rest.wait()

    def _may_wait(self) -> bool:
        """Whether there is nothing but a few results that may wait for an event."""
        return not (self._results_are_due or self._events or self._halves) and (
            len(self._results) < self._limits.results
        )

    def _wait(self) -> None:
        """Have the results that may wait do so, for a while from the first."""
        if self._patience is None:
            loop = asyncio.get_running_loop()
            self._patience = loop.call_later(PATIENCE_S, self._has_waited)

    def _has_waited(self) -> None:
        self._patience = None
        self._results_are_due = True
        self._go_on()

    def _go_on(self) -> None:
        """Begin with what has waited, unless a batch is under way: it goes with the next."""
        if not self._busy:
            self._busy = True
            self._next()

    def _next(self) -> None:
        """Commit the next batch, until nothing waits, or nothing that may not."""
        if self._may_wait():
            batch: _Batch[W] = []
        else:
            batch = self._halves.popleft() if self._halves else self._next_batch()
        if not batch:
            self._rest()
            return
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        self._begun_s = self._monotonic()
        try:
            self._commit([one[0] for one in batch], partial(self._ended, batch))
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
            _fail(batch, error)
            asyncio.get_running_loop().call_soon(self._next)

    def _rest(self) -> None:
        self._busy = False
        if self._results:
            self._wait()
        elif self._closed:
            self._at_rest.set()

    def _ended(self, batch: "_Batch[W]", error: BaseException | None) -> None:
        """Tell who waits; where one write was bad, halve the batch until that one stands alone."""
        took_s = self._took_s = self._monotonic() - self._begun_s
        self.times.took(took_s, len(batch))
        if error is None:
            for _, _, done in batch:
                if not done.done():  # its caller may have gone
                    done.set_result(None)
        elif isinstance(error, WriteRejected) and len(batch) > 1:
            middle = len(batch) // 2
            self._halves.extendleft((batch[middle:], batch[:middle]))
        else:
            _fail(batch, error)
        self._next()

    def _next_batch(self) -> "_Batch[W]":
        limits = self._limits
        batch: _Batch[W] = []
        if self._events:
            self._events_bytes -= self._take(batch, self._events, limits.batch)
        if self._results:
            in_time = int(self._took_s * limits.results_per_s)
            results = min(max(limits.results, in_time, len(batch)), limits.batch)
            # Whatever the events take: where they come as fast as the disk is, they take it all.
            self._take(batch, self._results, len(batch) + results)
        self._results_are_due = bool(self._results)  # what had no room has waited already
        return batch

    def _take(self, batch: "_Batch[W]", waiting: "deque[_Waiting[W]]", most: int) -> int:
        """Fill up a batch to `most` writes, at least with one; return the bytes of those."""
        taken_bytes, batch_bytes = 0, self._limits.batch_bytes
        while waiting and len(batch) < most:
            size_bytes = waiting[0][1]
            if taken_bytes and taken_bytes + size_bytes > batch_bytes:
                break
            taken_bytes += size_bytes
            batch.append(waiting.popleft())
        return taken_bytes


def _fail(batch: "_Batch[Any]", error: BaseException) -> None:
    for _, _, done in batch:
        if not done.done():
            done.set_exception(error)
