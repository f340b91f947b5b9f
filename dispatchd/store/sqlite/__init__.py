"""The store on SQLite: WAL, `synchronous=FULL`, one writer, a reader of its own.

Writes go through group commit on the writer's connection; reads never wait for them. A part
of the class for each of those who ask, over one database.
"""

from dispatchd.store.sqlite.alerts import AlertKeeping
from dispatchd.store.sqlite.archive import Archive
from dispatchd.store.sqlite.intake import Intake
from dispatchd.store.sqlite.jobs import JobKeeping
from dispatchd.store.sqlite.lanes import LaneStates
from dispatchd.store.sqlite.schedule import Schedule
from dispatchd.store.sqlite.upkeep import Upkeep


class SqliteStore(Intake, Schedule, LaneStates, Archive, JobKeeping, AlertKeeping, Upkeep):
    """Store on one SQLite file at `path`.

    `busy_timeout_ms` is how long a write waits while another process holds the write lock.
    """


__all__ = ["SqliteStore"]
