"""The store on SQLite: WAL, `synchronous=FULL`, one writer, a reader of its own.

Writes go through group commit on the writer's connection; reads never wait for them. A part
of the class for each of those who ask, over one database.
"""

import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from dispatchd.errors import StoreUnavailable
from dispatchd.store.sqlite import files
from dispatchd.store.sqlite.alerts import AlertKeeping
from dispatchd.store.sqlite.archive import Archive
from dispatchd.store.sqlite.counting import Counting
from dispatchd.store.sqlite.export import Exporting
from dispatchd.store.sqlite.following import Following
from dispatchd.store.sqlite.intake import Intake
from dispatchd.store.sqlite.jobs import JobKeeping
from dispatchd.store.sqlite.lanes import LaneStates
from dispatchd.store.sqlite.leases import Leasing
from dispatchd.store.sqlite.refused import RefusedKeeping
from dispatchd.store.sqlite.retention import RetentionKeeping
from dispatchd.store.sqlite.searching import Searching
from dispatchd.store.sqlite.upkeep import Upkeep

if TYPE_CHECKING:
    import asyncio

QUESTIONS_MAX: Final = 100  # at once, of all who look

T = TypeVar("T")


class SqliteReads(LaneStates, Searching, Following, Archive, Counting, JobKeeping, RefusedKeeping):
    """The same file, opened to look: a reader of its own, and nothing can be written."""

    async def open(self) -> None:  # type: ignore[override]  # to look is to upgrade nothing
        """Connect to a database that is there. Raises StoreUnusable where that cannot work."""
        await self.open_to_read()

    def _ask(self, question: Callable[[sqlite3.Connection], T]) -> "asyncio.Future[T]":
        """Answer `question`, unless many wait: whoever asked may have gone, and asked again."""
        if self._open_reader().waiting >= QUESTIONS_MAX:
            raise StoreUnavailable("overloaded", "too many questions wait for the database")
        return super()._ask(question)

    async def disk(self) -> tuple[int, int]:
        """Return the bytes that the database takes, and those that are free beside it."""
        return await self._ask(lambda _: files.disk(self._path))


class SqliteStore(
    Intake,
    Leasing,
    LaneStates,
    Searching,
    Following,
    Archive,
    Counting,
    JobKeeping,
    RefusedKeeping,
    AlertKeeping,
    Exporting,
    RetentionKeeping,
    Upkeep,
):
    """Store on one SQLite file at `path`.

    `busy_timeout_ms` is how long a write waits while another process holds the write lock.
    """


__all__ = ["SqliteReads", "SqliteStore"]
