"""What deletes history that owes nothing any more: small batches, each a transaction of its own.

What is owed is never deleted: an event goes with its deliveries, attempts and what was sent, once
all of them have ended, and whether they have is asked in the transaction that deletes.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final, Protocol

from dispatchd.frozen import frozen

Place = tuple[int, int]  # of an event, in the order of receipt: Unix ms, and the order of commits
BEFORE_ALL: Final[Place] = (-1, -1)
BATCH_ROWS: Final = 500  # keeps each hold of the write lock to milliseconds
# Of 4 KiB. Each is moved through the -wal file, so this is a few milliseconds too.
BATCH_PAGES: Final = 256
REST_TIMES: Final = 4  # beside a daemon a batch is followed by so many times its own length of rest


@frozen
class Cuts:
    """What may go: received before `before_ms`, and before `failed_before_ms` if it failed.

    Unix ms. With `max_bytes`, only as long as more than that is in use.
    """

    before_ms: int
    failed_before_ms: int
    max_bytes: int | None = None


@frozen
class Pruned:
    """What a batch deleted, and how many it kept because a delivery had failed.

    `next` is where the next batch goes on, None where there is nothing left to look at. `took_s`
    is how long it held the write lock.
    """

    events: int
    kept_failed: int
    next: Place | None
    took_s: float = 0.0


@frozen
class Usage:
    """How much of the database is in use, and how much of it is free for what comes next."""

    used_bytes: int
    free_pages: int
    pages: int  # both together


@frozen
class Space:
    """A file system: what it has left for us, and its size."""

    free_bytes: int
    total_bytes: int


class Retention(Protocol):
    """What retention asks."""

    async def usage(self) -> Usage:
        """Return how much of the database is in use: cheap."""

    async def space(self) -> Space | None:
        """Return what its file system has left: cheap. None where nobody can say."""

    async def prune(self, cuts: Cuts, after: Place = BEFORE_ALL, rows: int = BATCH_ROWS) -> Pruned:
        """Delete the oldest events that owe nothing, from `after` on: one batch.

        It looks at `rows` events at most. Without `max_bytes` jobs that ended and requests that
        were refused before the cut go too. It is durable with the next write that is: what a
        crash brings back is old all the same.
        """

    async def give_back(self, pages: int = BATCH_PAGES) -> int:
        """Give up to so many free pages back to the file system; return how many it was."""

    async def shrink(self) -> None:
        """Have the file itself be no larger than the database. Cheap where it is not.

        Who reads what was before keeps it large: ask again later.
        """


async def prune_all(store: Retention, cuts: Cuts, *, gently: bool = False) -> AsyncIterator[Pruned]:
    """Delete all that may go, and give the space back, batch by batch.

    `gently` leaves most of the time to a daemon that has the database too.
    """
    after: Place | None = BEFORE_ALL
    while after is not None:
        pruned = await store.prune(cuts, after)
        after = pruned.next
        yield pruned
        if gently:
            await asyncio.sleep(pruned.took_s * REST_TIMES)
        while await store.give_back():
            if gently:
                await asyncio.sleep(pruned.took_s)
    await store.shrink()
