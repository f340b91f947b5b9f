"""One SQLite file, opened: its writer, its reader, and the two ways to use them."""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from typing import TypeVar

from dispatchd.errors import StoreUnavailable, StoreUnusable, WriteRejected
from dispatchd.store.sqlite import files
from dispatchd.store.sqlite.connection import Connection, connect, snapshot, transact
from dispatchd.store.sqlite.rows import statements
from dispatchd.store.sqlite.upgrade import upgrade
from dispatchd.store.upgrade import TellUpgrade, UpgradeStep, nobody

T = TypeVar("T")


class Database:
    """What every part of the store works with."""

    def __init__(self, path: str, *, busy_timeout_ms: int = 2000) -> None:
        self._path = path
        self._busy_timeout_ms = busy_timeout_ms
        self._sql = statements()
        self._writer: Connection | None = None
        self._reader: Connection | None = None
        self._files: files.OpenFiles | None = None
        self._lock: int | None = None  # a file descriptor
        self._ordered: frozenset[str] = frozenset()  # the lanes worked off in order of receipt
        self._ahead_ms = 0  # how far the schedule, which never goes back, is ahead of the clock

    async def open(self, *, backup: bool = True, tell: TellUpgrade = nobody) -> None:
        """Connect and upgrade. Raises StoreUnusable where that cannot work."""
        loop = asyncio.get_running_loop()

        def tell_here(step: UpgradeStep) -> None:
            loop.call_soon_threadsafe(tell, step)

        files.prepare(self._path)
        try:
            self._writer = await connect(self._path, self._busy_timeout_ms)
            ours = self._lock is not None
            await self._writer.run(
                lambda w: upgrade(w, self._path, backup=backup, ours=ours, tell=tell_here)
            )
            self._reader = await connect(self._path, self._busy_timeout_ms)
            self._ahead_ms, self._ordered = await self._reader.run(self._ready_to_read)
            self._files = files.OpenFiles(self._path)
        except (StoreUnavailable, WriteRejected) as error:
            await self.close()
            raise StoreUnusable(f"cannot open {self._path}: {error.__cause__}") from error
        except BaseException:
            await self.close()
            raise

    async def open_to_read(self) -> None:
        """Connect a reader alone, to a database that is there and up to date.

        Raises StoreUnusable where that cannot work.
        """
        try:
            self._reader = await connect(self._path, self._busy_timeout_ms)
            self._ahead_ms, self._ordered = await self._reader.run(self._ready_to_read)
        except (StoreUnavailable, WriteRejected) as error:
            await self.close()
            raise StoreUnusable(f"cannot open {self._path}: {error.__cause__}") from error

    def _ready_to_read(self, reader: sqlite3.Connection) -> tuple[int, frozenset[str]]:
        """Return how far the schedule is ahead, and the lanes that the daemon keeps in order."""
        reader.execute("PRAGMA query_only = ON")
        ordered = reader.execute("SELECT destination FROM lanes WHERE ordered").fetchall()
        ahead_ms = int(reader.execute(self._sql["clock"]).fetchall()[0][1])
        return ahead_ms, frozenset(row[0] for row in ordered)

    async def close(self) -> None:
        """Let go of the database."""
        connections = (self._reader, self._writer)
        self._reader = self._writer = None  # first: who comes meanwhile is told `closed`
        for connection in connections:
            if connection is not None:
                await connection.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> "asyncio.Future[T]":
        """Run `work` in one transaction, whole on the writer's thread; no cursor may come back.

        Raises StoreUnavailable or WriteRejected with nothing changed.
        """
        return self._open_writer().run(lambda writer: transact(writer, work, self._still_there))

    def _ask(self, question: Callable[[sqlite3.Connection], T]) -> "asyncio.Future[T]":
        """Answer `question` from one state of the database, whole on the reader's thread."""
        return self._open_reader().run(lambda reader: snapshot(reader, question))

    def _still_there(self) -> None:
        """Refuse to commit into a file that nobody will find again."""
        if self._files is not None:
            self._files.check(data_only=True)

    def _open_writer(self) -> Connection:
        if self._writer is None:
            raise StoreUnavailable("closed", "the store is closed")
        return self._writer

    def _open_reader(self) -> Connection:
        if self._reader is None:
            raise StoreUnavailable("closed", "the store is closed")
        return self._reader
