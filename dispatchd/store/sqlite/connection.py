"""A connection to one SQLite file: its thread, how it is opened, migrated, and how it fails."""

import sqlite3
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar, cast

import aiosqlite

from dispatchd.errors import StoreUnavailable, StoreUnusable, WriteRejected
from dispatchd.store.sqlite.rows import schema

SCHEMA_VERSION: Final = 4
WORK: Final = "-- work"

Step = tuple[str, Sequence[Any]]
T = TypeVar("T")


class _Answer:
    """What `execute` of a piece of work returns: `fetchall()` gives its plain result."""

    __slots__ = ("_result",)

    def __init__(self, result: Any) -> None:
        self._result = result

    def fetchall(self) -> Any:
        return self._result


class Connection(sqlite3.Connection):
    """Runs a whole function on the connection's thread: `execute(WORK, function)`.

    aiosqlite makes a hand-over to its thread of every call, and hands cursors back. A cursor
    that another thread frees marks its statement as unused (Python 3.11), also while the
    connection's own is between two rows of it. So only plain results leave the thread, and
    nothing of an error's frames.
    """

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Run one statement, or with WORK the function given in the parameters' place."""
        if sql is not WORK:
            return super().execute(sql, parameters)
        try:
            return cast("sqlite3.Cursor", _Answer(parameters(self)))
        except BaseException as error:
            _clear_frames(error)
            raise


def _clear_frames(error: BaseException | None) -> None:
    """Let go of the cursors in the frames of an error and of those before it; keep its lines."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


async def run(connection: aiosqlite.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    """Run `work` whole on the connection's thread, in one hand-over; no cursor may come back."""
    return cast("T", await connection.execute_fetchall(WORK, cast("Any", work)))


def transact(
    connection: sqlite3.Connection,
    work: Callable[[sqlite3.Connection], T],
    check: Callable[[], None] | None = None,
) -> T:
    """Run `work` in a transaction of its own: all of it, or nothing. `check` may still stop it."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        result = work(connection)
        if check is not None:
            check()
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result


def snapshot(connection: sqlite3.Connection, question: Callable[[sqlite3.Connection], T]) -> T:
    """Answer `question` from one state of the database, however many statements it takes."""
    connection.execute("BEGIN")
    try:
        return question(connection)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")  # nothing was written


def run_steps(steps: Sequence[Step], connection: sqlite3.Connection) -> int:
    """Run statements, each over its rows; return the rows changed by the last."""
    changed = 0
    for statement, rows in steps:
        if len(rows) == 1:  # nearly always, unless there is load: the cheaper call
            changed = connection.execute(statement, rows[0]).rowcount
        elif rows:
            changed = connection.executemany(statement, rows).rowcount
    return changed


async def connect(path: str, busy_timeout_ms: int) -> aiosqlite.Connection:
    """Open the database at `path`, creating an empty one where there is none."""
    connection = await aiosqlite.connect(path, isolation_level=None, factory=Connection)
    try:
        await run(connection, lambda opened: _set_up(opened, busy_timeout_ms))
    except BaseException:
        await connection.close()
        raise
    return connection


def _set_up(connection: sqlite3.Connection, busy_timeout_ms: int) -> None:
    connection.execute(f"PRAGMA busy_timeout = {busy_timeout_ms}")
    if scalar(connection, "PRAGMA page_count") == 0:
        # Works only where the file is new, and takes the write lock everywhere.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -8192")  # KiB
    connection.execute("PRAGMA journal_size_limit = 67108864")


def migrate(connection: sqlite3.Connection, path: str) -> None:
    """Bring the schema up to date, in one transaction.

    Raises StoreUnusable for one made by a newer dispatchd or by another program.
    """
    if _version(connection, path) == SCHEMA_VERSION:
        return  # a command must not wait for the write lock to find this out

    def upgrade(connection: sqlite3.Connection) -> None:
        # Asked again: another process may have been first.
        version = _version(connection, path)
        if version == 0 and scalar(connection, "SELECT EXISTS (SELECT 1 FROM sqlite_schema)"):
            raise StoreUnusable(f"{path} is a database of another program")
        for number in range(version + 1, SCHEMA_VERSION + 1):
            for statement in _statements(schema(number)):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    transact(connection, upgrade)


def _version(connection: sqlite3.Connection, path: str) -> int:
    version = int(scalar(connection, "PRAGMA user_version"))
    if version > SCHEMA_VERSION:
        raise StoreUnusable(
            f"{path} has schema version {version}, made by a newer dispatchd; "
            f"this one knows up to {SCHEMA_VERSION}"
        )
    return version


def _statements(script: str) -> Iterator[str]:
    """Split a script: `executescript` would commit the transaction it is run in."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def scalar(connection: sqlite3.Connection, sql: str) -> Any:
    """Return the first column of the first row."""
    return connection.execute(sql).fetchall()[0][0]


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
        # sqlite3.Warning: one of our statements is none, or is several
        if isinstance(
            error,
            sqlite3.IntegrityError
            | sqlite3.DataError
            | sqlite3.Warning
            | OverflowError
            | UnicodeError,
        ):
            raise WriteRejected(str(error)) from error
        if isinstance(error, sqlite3.Error):
            code = getattr(error, "sqlite_errorcode", None)
            if code is None:  # a misuse from our side, not the database speaking
                raise WriteRejected(str(error)) from error
            # The low byte is the primary code: https://www.sqlite.org/rescode.html
            reason = _REASONS.get(code & 0xFF, "io")
            raise StoreUnavailable(reason, f"the database is {_WORDS[reason]}: {error}") from error
