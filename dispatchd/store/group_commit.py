"""Many waiting writes become one transaction; each caller is told after its COMMIT.

There is no timer: a batch forms while the previous one commits, so a lone write waits for
nothing and a flood shares each fsync. One bad write fails alone.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from dispatchd.errors import StoreUnavailable, WriteRejected

W = TypeVar("W")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the queue of writers: past the waiting ones a write is refused, not kept."""

    waiting: int = 4096
    waiting_bytes: int = 64 * 1024 * 1024
    batch: int = 512
    batch_bytes: int = 16 * 1024 * 1024


class GroupCommit(Generic[W]):
    """Gathers writes and hands them to `commit` in batches, one batch at a time.

    `commit` makes a batch durable as a whole or raises and changes nothing: StoreUnavailable
    when the store is at fault, WriteRejected when a write in the batch is.
    """

    def __init__(
        self, commit: Callable[[Sequence[W]], Awaitable[None]], limits: Limits | None = None
    ) -> None:
        self._commit = commit
        self._limits = limits or Limits()
        self._waiting: deque[tuple[W, int, asyncio.Future[None]]] = deque()
        self._waiting_bytes = 0
        self._closed = False
        self._task: asyncio.Task[None] | None = None

    def submit(
        self, write: W, size_bytes: int, *, must_queue: bool = False
    ) -> "asyncio.Future[None]":
        """Queue `write`; the future is done once it is durable, or fails as `commit` did.

        It fails with StoreUnavailable, reason `overloaded`, at once when too much is waiting;
        `must_queue` is for writes whose number is bounded elsewhere (results of attempts).
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._closed:
            done.set_exception(StoreUnavailable("closed", "the store is closing"))
        elif not must_queue and (
            len(self._waiting) >= self._limits.waiting
            or self._waiting_bytes + size_bytes > self._limits.waiting_bytes
        ):
            done.set_exception(
                StoreUnavailable("overloaded", "too many writes are waiting for the disk")
            )
        else:
            self._waiting.append((write, size_bytes, done))
            self._waiting_bytes += size_bytes
            if self._task is None:
                self._task = asyncio.create_task(self._drain(), name="group-commit")
        return done

    async def write(self, write: W, size_bytes: int) -> None:
        """Return once `write` is durable. Raises what `commit` did, or StoreUnavailable."""
        await self.submit(write, size_bytes)

    async def close(self) -> None:
        """Refuse further writes and return when those under way are answered."""
        self._closed = True
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _drain(self) -> None:
        """Commit batches until nothing waits. Runs as a task only while there is work."""
        try:
            while self._waiting:
                batch = self._next_batch()
                await self._commit_batch(batch)
        finally:
            self._task = None

    def _next_batch(self) -> list[tuple[W, asyncio.Future[None]]]:
        batch: list[tuple[W, asyncio.Future[None]]] = []
        batch_bytes = 0
        while self._waiting and len(batch) < self._limits.batch:
            write, size_bytes, done = self._waiting[0]
            if batch and batch_bytes + size_bytes > self._limits.batch_bytes:
                break
            self._waiting.popleft()
            self._waiting_bytes -= size_bytes
            batch_bytes += size_bytes
            batch.append((write, done))
        return batch

    async def _commit_batch(self, batch: list[tuple[W, asyncio.Future[None]]]) -> None:
        """Commit a batch; where one write in it is bad, halve it until that one stands alone."""
        try:
            await self._commit([write for write, _ in batch])
        except WriteRejected as error:
            if len(batch) == 1:
                _fail(batch, error)
                return
            middle = len(batch) // 2
            await self._commit_batch(batch[:middle])
            await self._commit_batch(batch[middle:])
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
            _fail(batch, error)
        else:
            for _, done in batch:
                if not done.done():  # its caller may have gone
                    done.set_result(None)


def _fail(batch: Sequence[tuple[object, asyncio.Future[None]]], error: Exception) -> None:
    for _, done in batch:
        if not done.done():
            done.set_exception(error)
