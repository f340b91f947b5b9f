"""The store on SQLite: WAL, `synchronous=FULL`, one writer, a reader of its own.

Writes go through group commit on the writer's connection; reads never wait for them. A part
of the class for each of those who ask, over one database.
"""

from dispatchd.store.sqlite import files
from dispatchd.store.sqlite.alerts import AlertKeeping
from dispatchd.store.sqlite.archive import Archive
from dispatchd.store.sqlite.counting import Counting
from dispatchd.store.sqlite.following import Following
from dispatchd.store.sqlite.intake import Intake
from dispatchd.store.sqlite.jobs import JobKeeping
from dispatchd.store.sqlite.lanes import LaneStates
from dispatchd.store.sqlite.refused import RefusedKeeping
from dispatchd.store.sqlite.schedule import Schedule
from dispatchd.store.sqlite.searching import Searching
from dispatchd.store.sqlite.upkeep import Upkeep


class SqliteReads(LaneStates, Searching, Following, Archive, Counting, JobKeeping, RefusedKeeping):
    """The same file, opened to look: a reader of its own, and nothing can be written."""

    async def open(self) -> None:
        """Connect to a database that is there. Raises StoreUnusable where that cannot work."""
        await self.open_to_read()

    async def disk(self) -> tuple[int, int]:
        """Return the bytes that the database takes, and those that are free beside it."""
        return await self._ask(lambda _: files.disk(self._path))


class SqliteStore(
    Intake,
    Schedule,
    LaneStates,
    Searching,
    Following,
    Archive,
    Counting,
    JobKeeping,
    RefusedKeeping,
    AlertKeeping,
    Upkeep,
):
    """Store on one SQLite file at `path`.

    `busy_timeout_ms` is how long a write waits while another process holds the write lock.
    """


__all__ = ["SqliteReads", "SqliteStore"]
