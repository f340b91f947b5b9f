"""A connection to one SQLite file: how it is opened, migrated, written to, and how it fails."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

import aiosqlite

from dispatchd.errors import StoreUnavailable, StoreUnusable, WriteRejected
from dispatchd.store.rows import schema

SCHEMA_VERSION: Final = 1
TRANSACTION: Final = "-- a transaction"

Step = tuple[str, Sequence[Any]]
Steps = Sequence[Step] | Callable[[sqlite3.Connection], Sequence[Step]]


class _Connection(sqlite3.Connection):
    """Runs a whole transaction as one call: `executemany(TRANSACTION, steps)`.

    aiosqlite makes a round trip to its thread of every call. At a few hundred events a second
    nearly every transaction is a small one, and its round trips cost more than its work.
    """

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
        """Run one statement over many rows, or with TRANSACTION all steps, or none of them."""
        if sql is not TRANSACTION:
            return super().executemany(sql, parameters)
        try:
            cursor = self.execute("BEGIN IMMEDIATE")
            for statement, rows in parameters(self) if callable(parameters) else parameters:
                if rows:
                    cursor = super().executemany(statement, rows)
            self.execute("COMMIT")
        except BaseException:
            if self.in_transaction:
                self.execute("ROLLBACK")
            raise
        return cursor


async def connect(path: str, busy_timeout_ms: int) -> aiosqlite.Connection:
    """Open the database at `path`, creating an empty one where there is none."""
    connection = await aiosqlite.connect(path, isolation_level=None, factory=_Connection)
    try:
        await connection.execute(f"PRAGMA busy_timeout = {busy_timeout_ms}")
        if await scalar(connection, "PRAGMA page_count") == 0:
            # Works only where the file is new, and takes the write lock everywhere.
            await connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        await connection.execute("PRAGMA journal_mode = WAL")
        await connection.execute("PRAGMA synchronous = FULL")
        await connection.execute("PRAGMA cache_size = -8192")  # KiB
        await connection.execute("PRAGMA journal_size_limit = 67108864")
    except BaseException:
        await connection.close()
        raise
    return connection


async def migrate(writer: aiosqlite.Connection, path: str) -> None:
    """Bring the schema up to date. Raises StoreUnusable for one made by a newer dispatchd."""
    version = await scalar(writer, "PRAGMA user_version")
    if version > SCHEMA_VERSION:
        raise StoreUnusable(
            f"{path} has schema version {version}, made by a newer dispatchd; "
            f"this one knows up to {SCHEMA_VERSION}"
        )
    # One question: between two, another process could finish migrating.
    foreign = "SELECT user_version = 0 AND EXISTS (SELECT 1 FROM sqlite_schema)"
    if version == 0 and await scalar(writer, f"{foreign} FROM pragma_user_version"):
        raise StoreUnusable(f"{path} is a database of another program")
    while version < SCHEMA_VERSION:
        version += 1
        try:
            await writer.executescript(
                f"BEGIN IMMEDIATE; {schema(version)}; PRAGMA user_version = {version}; COMMIT;"
            )
        except sqlite3.Error:
            if writer.in_transaction:
                await writer.rollback()
            # Another process may have been first; then there is nothing left to do.
            if await scalar(writer, "PRAGMA user_version") < version:
                raise


async def scalar(connection: aiosqlite.Connection, sql: str) -> Any:
    """Return the first column of the first row."""
    rows = list(await connection.execute_fetchall(sql))
    return rows[0][0]


_REASONS: Final = {
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_BUSY: "locked",
    sqlite3.SQLITE_LOCKED: "locked",
    sqlite3.SQLITE_READONLY: "readonly",
    sqlite3.SQLITE_PERM: "readonly",
}
_WORDS: Final = {
    "full": "on a full disk",
    "locked": "locked by another process",
    "readonly": "read-only",
    "io": "not usable",
}


class faults:  # noqa: N801 - reads as a statement: `with faults():`
    """Turn SQLite's errors into the store's."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        # UnicodeError: a lone surrogate, which no database takes as text
        if isinstance(
            error, (sqlite3.IntegrityError, sqlite3.DataError, OverflowError, UnicodeError)
        ):
            raise WriteRejected(str(error)) from error
        if isinstance(error, sqlite3.Error):
            code = getattr(error, "sqlite_errorcode", None)
            if code is None:  # a misuse from our side, not the database speaking
                raise WriteRejected(str(error)) from error
            # The low byte is the primary code: https://www.sqlite.org/rescode.html
            reason = _REASONS.get(code & 0xFF, "io")
            raise StoreUnavailable(reason, f"the database is {_WORDS[reason]}: {error}") from error
