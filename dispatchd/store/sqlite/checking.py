"""A look at a SQLite database beside its daemon: nothing is migrated, nothing written."""

import sqlite3
import time
from contextlib import closing
from threading import Event, Thread
from typing import Final

from dispatchd.errors import StoreUnusable
from dispatchd.store.checkup import Checkup
from dispatchd.store.sqlite.connection import read_only_uri, scalar
from dispatchd.store.sqlite.files import used_bytes
from dispatchd.store.sqlite.upgrade import SCHEMA_VERSION

AGAIN_S: Final = 0.01
CLOCK_SINCE: Final = 2  # the schema that has a clock


def check_up(path: str, limit_s: float | None) -> Checkup:
    """Look at the database at `path`: for `limit_s` at most, or, without, at everything there is.

    Raises StoreUnusable where it cannot be opened.
    """
    uri = read_only_uri(path)
    started_s = time.monotonic()
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            schema = int(scalar(connection, "PRAGMA user_version"))
            kept_ms = _kept_ms(connection) if CLOCK_SINCE <= schema <= SCHEMA_VERSION else None
            fault, whole = _looked(connection, limit_s)
    except sqlite3.Error as error:
        raise StoreUnusable(f"cannot read {path}: {error}") from error
    took_s = time.monotonic() - started_s
    full, size_bytes = limit_s is None, used_bytes(path)
    return Checkup(schema, SCHEMA_VERSION, kept_ms, fault, whole, full, took_s, size_bytes)


def _kept_ms(connection: sqlite3.Connection) -> int | None:
    try:
        return int(scalar(connection, "SELECT wall_ms FROM clock"))
    except (sqlite3.DatabaseError, IndexError):
        return None  # damaged: the check says so


def _looked(connection: sqlite3.Connection, limit_s: float | None) -> tuple[str | None, bool]:
    """Return the first fault, and whether all was looked at."""
    statement = "PRAGMA integrity_check(1)" if limit_s is None else "PRAGMA quick_check(1)"
    done = Event()

    def interrupt(after_s: float) -> None:
        # Again and again: an interrupt before the statement begins is none.
        while not done.wait(after_s):
            connection.interrupt()
            after_s = AGAIN_S

    # A check is a few long steps of SQLite's machine, between which a progress handler would be
    # asked: it is interrupted from another thread instead.
    clock = None if limit_s is None else Thread(target=interrupt, args=(limit_s,), daemon=True)
    if clock is not None:
        clock.start()
    try:
        said = str(scalar(connection, statement))
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            return None, False
        return str(error), True
    finally:
        done.set()
        if clock is not None:
            clock.join()
    return (None if said == "ok" else " ".join(said.split())), True
