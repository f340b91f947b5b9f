"""What keeps a SQLite store in shape, a bounded piece at a time: each is one short transaction."""

import sqlite3
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from dispatchd.store.sqlite import files
from dispatchd.store.sqlite.connection import run_steps
from dispatchd.store.sqlite.database import Database

BATCH_ROWS: Final = 500  # keeps each hold of the write lock to milliseconds


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
