"""A copy of a SQLite database while it is in use, and what is read back from one."""

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from dispatchd.durable import sync
from dispatchd.errors import StoreUnavailable, StoreUnusable
from dispatchd.spelling import size
from dispatchd.store.copies import Contents
from dispatchd.store.sqlite import files
from dispatchd.store.sqlite.connection import faults, read_only_uri, scalar, stored_bytes
from dispatchd.store.sqlite.upgrade import SCHEMA_VERSION

BUSY_S: Final = 15.0  # another process's transaction passes within it
OURS: Final = frozenset({"events", "deliveries", "attempts"})  # since schema 1
BESIDE: Final = ("-wal", "-shm", "-journal")  # what SQLite may have beside a database
# Beside what a copy needs: its directory entry, and what the file system rounds up.
STEP_PAGES: Final = 256  # 1 MiB: milliseconds of the disk's time
MARGIN_BYTES: Final = 1024 * 1024
DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_UNWRITABLE: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY)


def make(path: str, target: str) -> Contents:
    """Copy the database at `path` to `target`, a new file, and read it back.

    Page by page, from one state of it: what is damaged in the original stays so in the copy, and
    is found there. (`VACUUM INTO` writes every index anew, which hides it.)
    Raises StoreUnavailable, StoreUnusable, OSError.
    """
    files.create_private(target)
    with faults(), closing(sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)) as source:
        source.execute("PRAGMA query_only = ON")
        source.execute("BEGIN")  # whoever writes goes on; a checkpoint waits for us
        counted = count(source)
        need_room(os.path.dirname(target), stored_bytes(source))  # noqa: PTH120 - as it is spelled here
        _copy(source, path, target)
    sync(target, forget=True)
    contents = read_back(target)
    for table, rows in counted.items():
        if contents.rows.get(table) != rows:
            raise StoreUnusable(
                f"the copy has {contents.rows.get(table, 0):,} rows of {table},"
                f" the database has {rows:,}"
            )
    return contents


def _copy(source: sqlite3.Connection, path: str, target: str) -> None:
    """Copy every page. Raises StoreUnavailable, StoreUnusable, which say which of the two it is."""
    # Closed last: closing any descriptor of a file drops SQLite's locks on it.
    written = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with closing(sqlite3.connect(target, isolation_level=None)) as copy:
            copy.execute("PRAGMA synchronous = OFF")  # we sync it ourselves
            # Bit by bit: what waits for the disk delays each commit of the daemon's behind it.
            source.backup(copy, pages=STEP_PAGES, progress=lambda *_: os.fdatasync(written))
            # In the original's mode it could not be read without files beside it.
            copy.execute("PRAGMA journal_mode = DELETE").fetchall()
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in DAMAGED:
            raise StoreUnusable(f"{path} is damaged: {error}") from error
        if code in _UNWRITABLE:
            reason = "full" if code == sqlite3.SQLITE_FULL else "io"
            raise StoreUnavailable(reason, f"it cannot be written: {error}") from error
        raise
    finally:
        os.close(written)


def read_back(file: str) -> Contents:
    """Read a closed copy whole. Raises StoreUnusable unless it is sound, and ours to use."""
    # Immutable: the check leaves no files of its own beside the copy.
    uri = read_only_uri(file, immutable=True)
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as copy:
            schema = int(scalar(copy, "PRAGMA user_version"))
            _must_be_ours(copy, file, schema)
            verdict = str(scalar(copy, "PRAGMA integrity_check(1)"))
            if verdict != "ok":
                raise StoreUnusable(f"{file} is damaged: {_one_line(verdict)}")
            return Contents(
                size_bytes=Path(file).stat().st_size,
                schema=schema,
                known_schema=SCHEMA_VERSION,
                rows=count(copy),
                owed=scalar(
                    copy, "SELECT count(*) FROM deliveries WHERE status IN ('queued', 'retrying')"
                ),
                newest_ms=scalar(copy, "SELECT max(received_ms) FROM events"),
            )
    except sqlite3.Error as error:
        raise StoreUnusable(f"{file} is damaged, or no database: {error}") from error


def _must_be_ours(copy: sqlite3.Connection, file: str, schema: int) -> None:
    if schema > SCHEMA_VERSION:
        raise StoreUnusable(
            f"{file} has schema version {schema}, made by a newer dispatchd; this one knows up to"
            f" {SCHEMA_VERSION}: install the newer one first"
        )
    names = set(_tables(copy))
    if not names:
        raise StoreUnusable(f"{file} is empty")
    if schema < 1 or not names >= OURS:
        raise StoreUnusable(f"{file} is a database of another program")


def _one_line(verdict: str) -> str:
    return " ".join(line for line in verdict.split("\n") if not line.startswith("***"))


def _tables(connection: sqlite3.Connection) -> list[str]:
    found = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%'"
        " ESCAPE '\\' ORDER BY name"
    ).fetchall()
    return [row[0] for row in found]


def count(connection: sqlite3.Connection) -> Mapping[str, int]:
    """Count the rows of every table, whatever the schema has."""
    return {
        name: scalar(connection, f"SELECT count(*) FROM {_quoted(name)}")  # noqa: S608 - quoted
        for name in _tables(connection)
    }


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))


def need_room(directory: str, size_bytes: int) -> None:
    """Raise StoreUnavailable where a file of that size would fill the disk."""
    free_bytes = files.space(directory or ".").free_bytes
    if free_bytes < size_bytes + MARGIN_BYTES:
        raise StoreUnavailable(
            "full",
            f"{directory or 'the working directory'} has {size(free_bytes)} free,"
            f" and the copy takes {size(size_bytes)}",
        )


def remove(file: str) -> None:
    """Remove a copy and whatever SQLite may have left beside it."""
    for name in (file, *(f"{file}{end}" for end in BESIDE)):
        Path(name).unlink(missing_ok=True)
