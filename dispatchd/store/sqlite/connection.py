"""A connection to one SQLite file: its thread, how it is opened, and how it fails."""

import asyncio
import sqlite3
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final, TypeVar

from dispatchd.errors import StoreUnavailable, WriteRejected
from dispatchd.store.sqlite import files

# A commit that ends so many pages after the last checkpoint makes one. An event takes about ten:
# by SQLite's own 1,000 every hundredth waited for one, and pages were written anew too often.
CHECKPOINT_PAGES: Final = 4000
# A checkpoint may take as much of the disk as it copies, all at once. A twentieth is kept free
# for that: 16 MiB are too much of it on a small file system, which stays with SQLite's number.
SMALL_DISK_CHECKPOINT_PAGES: Final = 1000
SMALL_DISK_BYTES: Final = 1024 * 1024 * 1024

Step = tuple[str, Sequence[Any]]
T = TypeVar("T")
Ended = Callable[[Any, BaseException | None], None]  # is told what came of work, on the loop
_Work = Callable[[sqlite3.Connection], Any]
_Asked = tuple[_Work | None, Ended, asyncio.AbstractEventLoop]


class Connection:
    """A connection on a thread of its own: each function that it is given runs there whole.

    A cursor that another thread frees marks its statement as unused (Python 3.11), also while
    the connection's own is between two rows of it. So only plain results leave the thread, and
    nothing of an error's frames.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._asked: SimpleQueue[_Asked] = SimpleQueue()
        # Not waited for by an interpreter that ends: what was not committed did not happen.
        Thread(target=self._serve, name="sqlite", daemon=True).start()
        self._closed = False

    def run(self, work: Callable[[sqlite3.Connection], T]) -> "asyncio.Future[T]":
        """Have `work` run on the thread, after all that it was given before.

        No cursor may come back. SQLite's errors come as the store's.
        """
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.begin(work, partial(_answer, answer))
        return answer

    def begin(self, work: _Work, ended: Ended) -> None:
        """Have `work` run likewise, and `ended` called with what came of it."""
        if self._closed:
            raise StoreUnavailable("closed", "the store is closed")
        self._asked.put((work, ended, asyncio.get_running_loop()))

    @property
    def waiting(self) -> int:
        """How many functions have not begun to run."""
        return self._asked.qsize()

    async def close(self) -> None:
        """Let the thread end what it was given, then close."""
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        closed: asyncio.Future[None] = loop.create_future()
        self._asked.put((None, partial(_answer, closed), loop))
        await closed

    def _serve(self) -> None:
        connection: sqlite3.Connection | None = None
        closed = False
        while not closed:
            work, ended, loop = self._asked.get()
            result: Any = None
            error: BaseException | None = None
            try:
                with _FAULTS:
                    if work is None:
                        closed = True
                        if connection is not None:
                            connection.close()
                    else:
                        if connection is None:
                            connection = sqlite3.connect(self._path, isolation_level=None)
                        result = work(connection)
            except BaseException as raised:  # noqa: BLE001 - whoever asked must hear of it
                error = raised
                _clear_frames(error)
            with _NOBODY_WAITS:
                loop.call_soon_threadsafe(ended, result, error)
            del work, ended, loop, result, error  # while waiting, hold nothing


def _answer(answer: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if answer.done():  # cancelled
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)


def _clear_frames(error: BaseException | None) -> None:
    """Let go of the cursors in the frames of an error and of those before it; keep its lines."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


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
    cursor = connection.cursor()  # one for all
    for statement, rows in steps:
        if len(rows) == 1:  # nearly always, unless there is load: the cheaper call
            changed = cursor.execute(statement, rows[0]).rowcount
        elif rows:
            changed = cursor.executemany(statement, rows).rowcount
    return changed


async def connect(path: str, busy_timeout_ms: int) -> Connection:
    """Open the database at `path`, creating an empty one where there is none."""
    connection = Connection(path)
    try:
        await connection.run(lambda opened: _set_up(opened, path, busy_timeout_ms))
    except BaseException:
        await connection.close()
        raise
    return connection


def _set_up(connection: sqlite3.Connection, path: str, busy_timeout_ms: int) -> None:
    connection.execute(f"PRAGMA busy_timeout = {busy_timeout_ms}")
    if scalar(connection, "PRAGMA page_count") == 0:
        # Works only where the file is new, and takes the write lock everywhere.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -8192")  # KiB
    connection.execute("PRAGMA journal_size_limit = 67108864")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_checkpoint_pages(path)}")


def _checkpoint_pages(path: str) -> int:
    try:
        disk = files.space(path)
    except OSError:  # nobody can say
        return SMALL_DISK_CHECKPOINT_PAGES
    return SMALL_DISK_CHECKPOINT_PAGES if disk.total_bytes < SMALL_DISK_BYTES else CHECKPOINT_PAGES


def scalar(connection: sqlite3.Connection, sql: str) -> Any:
    """Return the first column of the first row."""
    return connection.execute(sql).fetchall()[0][0]


def stored_bytes(connection: sqlite3.Connection) -> int:
    """Return how large the database is, with what its `-wal` holds."""
    pages = int(scalar(connection, "PRAGMA page_count"))
    return pages * int(scalar(connection, "PRAGMA page_size"))


def read_only_uri(path: str | Path, *, immutable: bool = False) -> str:
    """Return by what a database is opened to be read alone.

    `immutable` promises that nobody writes it: no lock is taken, and no file made beside it.
    https://www.sqlite.org/uri.html
    """
    return f"{Path(path).absolute().as_uri()}?mode=ro{'&immutable=1' if immutable else ''}"


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
        if isinstance(error, MemoryError):  # SQLite's own words for it become this one
            raise StoreUnavailable("io", "the database is not usable: out of memory") from error
        if isinstance(error, sqlite3.Error):
            code = getattr(error, "sqlite_errorcode", None)
            if code is None:  # a misuse from our side, not the database speaking
                raise WriteRejected(str(error)) from error
            # The low byte is the primary code: https://www.sqlite.org/rescode.html
            reason = _REASONS.get(code & 0xFF, "io")
            raise StoreUnavailable(reason, f"the database is {_WORDS[reason]}: {error}") from error


_FAULTS: Final = faults()
_NOBODY_WAITS: Final = suppress(RuntimeError)  # the loop is closed
