"""From an older schema to today's: a copy first, then all of it in one transaction.

A crash at any moment leaves the database as it was, or as it is to be. Who opens it while somebody
upgrades it waits for that.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from dispatchd.durable import sync, sync_directory
from dispatchd.errors import StoreUnusable
from dispatchd.store.sqlite import files
from dispatchd.store.sqlite.connection import faults, read_only_uri, scalar, stored_bytes, transact
from dispatchd.store.sqlite.rows import schema
from dispatchd.store.upgrade import TELL_EVERY_S, Doing, TellUpgrade, UpgradeStep, nobody

SCHEMA_VERSION: Final = 10
BACKUPS_KEPT: Final = 2  # of those before upgrades: the last ones made
SPARE_BYTES: Final = 16 * 1024 * 1024  # beside the copy, for the change itself
COPY_PAGES: Final = 1024
LOOK_STEPS: Final = 1_000_000  # of SQLite's machine: some 10 ms


def backup_path(path: str, version: int) -> str:
    """Return where a database of that version is copied to before it is upgraded."""
    return f"{os.path.realpath(path)}.schema-{version}.backup"


def upgrade(
    connection: sqlite3.Connection,
    path: str,
    *,
    backup: bool = True,
    ours: bool = False,
    tell: TellUpgrade = nobody,
) -> None:
    """Bring the schema up to date. `ours`: the one daemon on this database is this process.

    Raises StoreUnusable for a database made by a newer dispatchd or by another program, served
    by an older daemon, or that cannot be copied first.
    """
    if _version(connection, path) == SCHEMA_VERSION:
        return  # a command must not wait for a lock to find this out
    with _one_at_a_time(path):
        before = _version(connection, path)
        if before in (0, SCHEMA_VERSION):  # new, or another process was first
            _change(connection, path)
            return
        if not ours and files.locked(path):
            raise StoreUnusable(
                f"{path} has schema version {before} and is in use by a dispatchd of that time:"
                " restart it as the version that is installed now, which upgrades the database"
            )
        told = _Told(UpgradeStep(path, before, SCHEMA_VERSION, "change", ""), tell)
        if backup:
            told.step = replace(told.step, backup=backup_path(path, before))
            _copy(connection, told)
        told.begin("change")
        connection.set_progress_handler(told.goes_on, LOOK_STEPS)
        try:
            _change(connection, path)
        finally:
            connection.set_progress_handler(None, 0)
        told.begin("done")


class _Told:
    """Tells each part of an upgrade as it begins, and now and then while it goes on."""

    def __init__(self, step: UpgradeStep, tell: TellUpgrade) -> None:
        self.step = step
        self._tell = tell
        self._told_s = 0.0

    def begin(self, doing: Doing) -> None:
        self.step = replace(self.step, doing=doing, percent=None)
        self._told_s = time.monotonic()
        self._tell(self.step)

    def goes_on(self) -> int:
        """Tell that it does; 0 has SQLite go on too."""
        if time.monotonic() - self._told_s >= TELL_EVERY_S:
            self._told_s = time.monotonic()
            self._tell(self.step)
        return 0

    def copied(self, _status: int, left: int, total: int) -> None:
        self.step = replace(self.step, percent=100 * (total - left) // max(1, total))
        self.goes_on()


@contextmanager
def _one_at_a_time(path: str) -> Iterator[None]:
    """Wait until nobody else upgrades the database."""
    name = f"{os.path.realpath(path)}.upgrade"
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, files.PRIVATE)
    except OSError as error:
        raise StoreUnusable(f"cannot create {name}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
        Path(name).unlink(missing_ok=True)  # who waits for it finds that all is done
    finally:
        os.close(descriptor)


def _copy(connection: sqlite3.Connection, told: _Told) -> None:
    """Copy the database, read the copy back, and give it its name once it is sound."""
    path, name = told.step.path, told.step.backup
    part = Path(f"{name}.part")
    try:
        _require_room(connection, told.step)
        part.unlink(missing_ok=True)  # of an upgrade that was killed
        files.create_private(str(part))
        told.begin("copy")
        with closing(sqlite3.connect(part, isolation_level=None)) as copy:
            copy.execute("PRAGMA synchronous = OFF")  # it is synced as a whole,
            copy.execute("PRAGMA journal_mode = OFF")  # and thrown away as one
            with faults():
                connection.backup(copy, pages=COPY_PAGES, progress=told.copied)
        told.begin("check")
        _check(part, told)
        _keep(part, Path(name))
        _drop_older(path)
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StoreUnusable(f"{_cannot(told.step)}: {reason}; {_ADVICE}") from error
    finally:
        with suppress(OSError):
            part.unlink()


_ADVICE: Final = (
    "make room, or set `storage: {backup_before_upgrade: false}` if you have a backup of your own"
)


def _cannot(step: UpgradeStep) -> str:
    return (
        f"{step.path} is not upgraded from schema version {step.before} to {step.after}:"
        " it cannot be copied first"
    )


def _require_room(connection: sqlite3.Connection, step: UpgradeStep) -> None:
    wanted_bytes = stored_bytes(connection) + SPARE_BYTES
    free_bytes = files.space(step.path).free_bytes
    if free_bytes < wanted_bytes:
        raise StoreUnusable(
            f"{_cannot(step)}, which takes {_mib(wanted_bytes)} MiB, and {_mib(free_bytes)} MiB"
            f" are free; {_ADVICE}"
        )


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 1024**2:,.1f}"


def _check(part: Path, told: _Told) -> None:
    # Immutable: the check leaves no files of its own beside the copy.
    uri = read_only_uri(part, immutable=True)
    with closing(sqlite3.connect(uri, uri=True)) as copy:
        copy.set_progress_handler(told.goes_on, LOOK_STEPS)
        verdict = scalar(copy, "PRAGMA quick_check(1)")
        version = scalar(copy, "PRAGMA user_version")
    if verdict != "ok" or version != told.step.before:
        raise StoreUnusable(
            f"{_cannot(told.step)}: the copy is damaged, and so may be the database: {verdict}"
        )


def _keep(part: Path, name: Path) -> None:
    """Give the copy its name, durably, in place of an earlier one of the same version."""
    sync(str(part))
    part.replace(name)
    sync_directory(str(name.parent))


def _drop_older(path: str) -> None:
    """Delete all but the last copies that were made before upgrades."""
    real = Path(os.path.realpath(path))
    copies = [one for one in real.parent.iterdir() if _is_backup(one.name, real.name)]
    copies.sort(key=lambda one: one.stat().st_mtime_ns, reverse=True)
    for one in copies[BACKUPS_KEPT:]:
        one.unlink(missing_ok=True)


def _is_backup(name: str, database: str) -> bool:
    number = name.removeprefix(f"{database}.schema-").removesuffix(".backup")
    return number.isdecimal() and name == f"{database}.schema-{number}.backup"


def _change(connection: sqlite3.Connection, path: str) -> None:
    """Change the schema, in one transaction."""

    def change(connection: sqlite3.Connection) -> None:
        # Asked again: another process may have been first.
        version = _version(connection, path)
        if version == 0 and scalar(connection, "SELECT EXISTS (SELECT 1 FROM sqlite_schema)"):
            raise StoreUnusable(f"{path} is a database of another program")
        for number in range(version + 1, SCHEMA_VERSION + 1):
            for statement in _statements(schema(number)):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    transact(connection, change)


def _version(connection: sqlite3.Connection, path: str) -> int:
    version = int(scalar(connection, "PRAGMA user_version"))
    if version > SCHEMA_VERSION:
        copy = backup_path(path, SCHEMA_VERSION)
        advice = f"; {copy} is a copy from before" if Path(copy).exists() else ""
        raise StoreUnusable(
            f"{path} has schema version {version}, made by a newer dispatchd; "
            f"this one knows up to {SCHEMA_VERSION}{advice}"
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
