"""What keeps a SQLite store in shape, a bounded piece at a time: each is one short transaction."""

import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from dispatchd.store.base import Pruned
from dispatchd.store.sqlite import files
from dispatchd.store.sqlite.connection import run_steps, scalar
from dispatchd.store.sqlite.database import Database

BATCH_ROWS: Final = 500  # keeps each hold of the write lock to milliseconds
# Of 4 KiB. Each is moved through the -wal file, so this is a few milliseconds too.
BATCH_PAGES: Final = 256
BEFORE_ALL: Final = (-1, -1)


@dataclass(frozen=True, slots=True)
class Cuts:
    """What is old: received before `before_ms`, and before `failed_before_ms` if it failed."""

    before_ms: int
    failed_before_ms: int


class Upkeep(Database):
    """Looks after the file."""

    def warnings(self) -> Sequence[str]:
        """Return what is worth a sentence to the operator about the open store."""
        sentence = files.too_open(self._path)
        return [] if sentence is None else [sentence]

    def lock(self) -> None:
        """Become the one daemon on this database. Raises AlreadyRunning."""
        self._lock = files.lock(self._path)

    def served(self) -> bool:
        """Whether a daemon, this process's or another's, has this database."""
        return self._lock is not None or files.locked(self._path)

    async def kept_time(self) -> int:
        """Return the wall clock (Unix ms) as it was last kept; 0 where it never was."""
        wall_ms, _ = await self._ask(partial(kept_time, self._sql))
        return wall_ms

    async def keep_time(self, now_ms: int, set_back_ms: int = 0) -> None:
        """Keep the wall clock and, in the same transaction, by how much it was set back."""
        self._ahead_ms = await self._transaction(partial(keep_time, self._sql, now_ms, set_back_ms))

    async def prune(self, before_ms: int, failed_before_ms: int) -> AsyncIterator[Pruned]:
        """Delete the events received before `before_ms` that owe nothing any more."""
        cuts = Cuts(before_ms, failed_before_ms)
        last: tuple[int, int] | None = BEFORE_ALL
        while last is not None:
            pruned, last = await self._transaction(partial(prune_batch, self._sql, cuts, last))
            if last is not None:
                yield pruned
            while await self._transaction(give_back):
                pass

    async def forget(self, now_ms: int) -> int:
        """Forget idempotency keys whose window ended by `now_ms`: one small batch."""
        return await self._transaction(partial(forget, self._sql, now_ms))

    async def check(self) -> None:
        """Prove that the database is the one that was opened: cheap, writes nothing."""
        if self._files is not None:
            opened = self._files
            await self._ask(lambda _reader: opened.check())

    async def ping(self) -> None:
        """Prove that the store answers reads and can write."""
        await self.check()
        await self._ask(lambda reader: reader.execute("SELECT count(*) FROM lanes").fetchall())
        await self._transaction(partial(run_steps, [(self._sql["probe"], [()])]))


def prune_batch(
    sql: Mapping[str, str], cuts: Cuts, after: tuple[int, int], connection: sqlite3.Connection
) -> tuple[Pruned, tuple[int, int] | None]:
    """Delete old events that owe nothing, the oldest first, from `after` (received_ms, seq) on.

    Returns where the next batch goes on too, None after the end. Events are looked up in the
    transaction that deletes: a replay in between makes one owed.
    """
    if after == BEFORE_ALL:
        connection.execute(sql["prune_jobs"], (cuts.before_ms,))
        connection.execute(sql["prune_refused"], (cuts.before_ms,))
    found = connection.execute(sql["prunable"], (*after, cuts.before_ms, BATCH_ROWS)).fetchall()
    keys = []
    kept_failed = 0
    for received_ms, _, key, worst in found:
        if worst == 1 and received_ms >= cuts.failed_before_ms:
            kept_failed += 1
        elif worst != 2:  # noqa: PLR2004 - the statement's own: something is owed still
            keys.append((key,))
    run_steps(
        [
            (sql["prune_attempts"], keys),
            (sql["prune_sent"], keys),
            (sql["prune_deliveries"], keys),
            (sql["prune_event"], keys),
        ],
        connection,
    )
    return Pruned(len(keys), kept_failed), found[-1][:2] if found else None


def give_back(connection: sqlite3.Connection) -> int:
    """Cut free pages off the end of the file; return how many: 0 where none is left.

    The file itself shrinks with the next checkpoint. Nothing is given back from a database
    that was made without `auto_vacuum`.
    """
    free = int(scalar(connection, "PRAGMA freelist_count"))
    if free == 0:
        return 0
    # One page a step: who does not fetch them all gives back one page.
    connection.execute(f"PRAGMA incremental_vacuum({BATCH_PAGES})").fetchall()
    return free - int(scalar(connection, "PRAGMA freelist_count"))


def forget(sql: Mapping[str, str], now_ms: int, connection: sqlite3.Connection) -> int:
    """Delete idempotency keys whose window has ended; return how many: 0 where none is left."""
    return connection.execute(sql["forget"], (now_ms, BATCH_ROWS)).rowcount


def kept_time(sql: Mapping[str, str], connection: sqlite3.Connection) -> tuple[int, int]:
    """Return the wall clock when it was last kept, and how far the schedule is ahead of it."""
    wall_ms, ahead_ms = connection.execute(sql["clock"]).fetchall()[0]
    return wall_ms, ahead_ms


def keep_time(
    sql: Mapping[str, str], now_ms: int, set_back_ms: int, connection: sqlite3.Connection
) -> int:
    """Keep the wall clock and what it was set back by; return how far the schedule is ahead."""
    connection.execute(sql["keep_time"], (now_ms, set_back_ms))
    return kept_time(sql, connection)[1]
