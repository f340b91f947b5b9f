"""What deletes old history on SQLite, a bounded piece at a time, and gives its space back."""

import sqlite3
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from dispatchd.store.retention import (
    BATCH_PAGES,
    BATCH_ROWS,
    BEFORE_ALL,
    Cuts,
    Place,
    Pruned,
    Space,
    Usage,
)
from dispatchd.store.sqlite import files
from dispatchd.store.sqlite.connection import run_steps, scalar, stored_bytes, transact
from dispatchd.store.sqlite.counting import add_up
from dispatchd.store.sqlite.database import Database

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")

BATCH_BYTES: Final = 1024 * 1024  # of bodies: each of their pages is freed one by one
BATCH_OTHERS: Final = 50  # jobs that ended; refused requests, which may have a body of 64 KiB
FAILED, OWED = 1, 2  # what `prunable` says of an event's worst delivery


class RetentionKeeping(Database):
    """Deletes, and gives back."""

    async def usage(self) -> Usage:
        """Return how much of the database is in use: cheap."""
        return await self._ask(usage)

    async def space(self) -> Space | None:
        """Return what its file system has left: cheap. None where nobody can say."""

        def ask(_reader: sqlite3.Connection) -> Space | None:
            try:
                return files.space(self._path)
            except OSError:
                return None

        return await self._open_reader().run(ask)

    async def prune(self, cuts: Cuts, after: Place = BEFORE_ALL, rows: int = BATCH_ROWS) -> Pruned:
        """Delete the oldest events that owe nothing, from `after` on: one batch."""
        return await self._unsynced(partial(prune, self._sql, cuts, after, rows))

    async def give_back(self, pages: int = BATCH_PAGES) -> int:
        """Give up to so many free pages back to the file system; return how many it was."""
        return await self._unsynced(partial(give_back, pages))

    async def shrink(self) -> None:
        """Have the file itself be no larger than the database, as soon as readers let it."""
        await self._open_writer().run(partial(shrink, self._path))

    def _unsynced(self, work: Callable[[sqlite3.Connection], T]) -> "asyncio.Future[T]":
        """Run `work` in one transaction that waits for no disk: the next one's sync is its own.

        A crash of the machine may undo the last of these. Order is kept: what is durable is
        durable with all that was committed before it.
        https://www.sqlite.org/pragma.html#pragma_synchronous
        """

        def run(writer: sqlite3.Connection) -> T:
            writer.execute("PRAGMA synchronous = NORMAL")
            try:
                return transact(writer, work, self._still_there)
            finally:
                writer.execute("PRAGMA synchronous = FULL")

        return self._open_writer().run(run)


def usage(connection: sqlite3.Connection) -> Usage:
    """Return how much of the database is in use: the header knows."""
    pages, free, size = (
        int(scalar(connection, f"PRAGMA {name}"))
        for name in ("page_count", "freelist_count", "page_size")
    )
    return Usage((pages - free) * size, free, pages)


def prune(
    sql: Mapping[str, str], cuts: Cuts, after: Place, rows: int, connection: sqlite3.Connection
) -> Pruned:
    """Delete old events that owe nothing, the oldest first, from `after` on.

    Events are looked up in the transaction that deletes: a replay in between makes one owed.
    """
    began_s = time.perf_counter()
    over_bytes: int | None = None
    others = 0
    if cuts.max_bytes is not None:
        over_bytes = usage(connection).used_bytes - cuts.max_bytes
        if over_bytes <= 0:
            return Pruned(0, 0, None)
    else:
        others = max(
            connection.execute(sql[name], (cuts.before_ms, BATCH_OTHERS)).rowcount
            for name in ("prune_jobs", "prune_refused")
        )
    most_bytes = BATCH_BYTES if over_bytes is None else min(BATCH_BYTES, over_bytes)
    keys: list[tuple[bytes]] = []
    kept_failed = body_bytes = last_seq = 0
    last = after if others == BATCH_OTHERS else None  # there may be more of them
    found = connection.execute(sql["prunable"], (*after, cuts.before_ms, rows)).fetchall()
    for received_ms, seq, key, size_bytes, worst in found:
        last = (received_ms, seq)
        if worst == FAILED and received_ms >= cuts.failed_before_ms:
            kept_failed += 1
        elif worst != OWED:
            keys.append((key,))
            last_seq = max(last_seq, seq)
            body_bytes += size_bytes
            if body_bytes >= most_bytes:
                break
    if last_seq > scalar(connection, "SELECT last_seq FROM counted"):
        add_up(sql, connection)  # counts outlive their events
    run_steps(
        [
            (sql["prune_attempts"], keys),
            (sql["prune_sent"], keys),
            (sql["prune_leases"], keys),
            (sql["prune_deliveries"], keys),
            (sql["prune_event"], keys),
            (sql["lower_counted"], [()]),
        ],
        connection,
    )
    return Pruned(len(keys), kept_failed, last, time.perf_counter() - began_s)


def give_back(pages: int, connection: sqlite3.Connection) -> int:
    """Cut free pages off the end of the file; return how many: 0 where none is left.

    Nothing is given back from a database that was made without `auto_vacuum`.
    """
    free = int(scalar(connection, "PRAGMA freelist_count"))
    for _ in range(min(pages, free)):
        # A row a page, without a column: Python steps over the first alone.
        connection.execute("PRAGMA incremental_vacuum(1)").fetchall()
    return free - int(scalar(connection, "PRAGMA freelist_count"))


def shrink(path: str, connection: sqlite3.Connection) -> None:
    """Copy what the -wal file holds into a file that is too large: then its end is cut off.

    Not while somebody still reads what was before: the file stays as large, to be asked again.
    """
    try:
        too_large = files.size_bytes(path) > stored_bytes(connection)
    except OSError:  # it cannot be seen: others say so
        return
    if too_large:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
