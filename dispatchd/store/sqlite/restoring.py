"""Putting a copy in the place of a SQLite database: at every instant one of the two is there.

The order matters, for the machine may stop between any two steps:

1. The copy is made beside the database, checked and synced. Nothing has changed.
2. The database takes in its `-wal` and has no files beside it any more; we hold it alone.
3. It gets a second name, under which it is kept.
4. The copy takes its first name, in one step.

A `-wal` that stayed would be played into the copy, so one that cannot be taken in, for the
database is damaged, is moved away with the name that the database is kept under.
"""

import os
import secrets
import sqlite3
import stat
import time
from contextlib import closing, suppress
from glob import escape
from pathlib import Path
from shutil import copyfileobj
from typing import Final

from dispatchd.durable import sync, sync_directory
from dispatchd.errors import AlreadyRunning, StoreUnavailable, StoreUnusable
from dispatchd.store.copies import Contents, Restored
from dispatchd.store.sqlite import files
from dispatchd.store.sqlite.connection import read_only_uri
from dispatchd.store.sqlite.copying import (
    BESIDE,
    DAMAGED,
    need_room,
    read_back,
    remove,
)

BUSY_S: Final = 5.0  # for a command that writes; what stays longer has to be ended
COMPARE_S: Final = 20.0  # for counting what only the kept file has; a courtesy
_STEPS: Final = 100_000  # of SQLite's machine between two looks at the time
_MAGIC: Final = b"SQLite format 3\0"  # https://www.sqlite.org/fileformat2.html#magic_header_string
_BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def restore(path: str, file: str) -> Restored:
    """Put a copy of `file` at `path`, whole or not at all; keep what was there.

    Raises AlreadyRunning, StoreUnavailable, StoreUnusable, OSError.
    """
    real = Path(os.path.realpath(path))
    _must_fit(real, file)
    owner = _owner(real)
    lock = files.lock(path)
    part = real.with_name(f".{real.name}.{secrets.token_hex(4)}.part")
    try:
        owner.give(lock)
        for left in real.parent.glob(f".{escape(real.name)}.*.part*"):
            left.unlink(missing_ok=True)  # of one that was killed: only who has the lock makes any
        contents = _taken(file, part)
        owner.give(part)
        sync(str(part))
        kept = _swap(real, part)
    finally:
        remove(str(part))
        os.close(lock)
    alone = None if kept is None else _alone(kept, real)
    return Restored(contents, None if kept is None else str(kept), alone)


def _must_fit(real: Path, file: str) -> None:
    """Refuse what cannot be meant. Raises StoreUnusable, AlreadyRunning, OSError."""
    if not real.parent.is_dir():
        raise StoreUnusable(f"cannot restore to {real}: {real.parent} is not a directory")
    found = os.stat(file)  # noqa: PTH116 - its errors name it as it was given
    if not stat.S_ISREG(found.st_mode):
        raise StoreUnusable(f"{file} is not a file")
    if real.exists() and real.samefile(file):
        raise StoreUnusable(f"{file} is the database itself")
    if files.locked(file):
        raise AlreadyRunning(f"a running dispatchd has {file}: stop it, or make a backup of it")


class _Owner:
    """Whose the database is to be: root, who restores it, is not who serves it."""

    def __init__(self, like: os.stat_result, mode: int) -> None:
        self._uid, self._gid = like.st_uid, like.st_gid
        self._mode = mode

    def give(self, what: int | Path) -> None:
        """Hand a file over. A descriptor is the lock's, which is always private."""
        if os.geteuid() == 0:
            os.chown(what, self._uid, self._gid)
        if isinstance(what, Path):
            what.chmod(self._mode)


def _owner(real: Path) -> _Owner:
    """Return whose it is now, or by its directory is to be. Raises StoreUnusable."""
    there = real.exists()
    like = real.stat() if there else real.parent.stat()
    if os.geteuid() not in (0, like.st_uid) and there:
        raise StoreUnusable(
            f"{real} belongs to the user {_name(like.st_uid)}: restore it as that user, or as root"
        )
    return _Owner(like, stat.S_IMODE(like.st_mode) if there else files.PRIVATE)


def _name(uid: int) -> str:
    import pwd  # noqa: PLC0415 - for an error alone

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _taken(file: str, part: Path) -> Contents:
    """Copy `file` to `part`, with what a `-wal` beside it holds, and read it back.

    Raises StoreUnusable, StoreUnavailable, OSError.
    """
    sources = [end for end in ("", "-wal", "-journal") if _size(f"{file}{end}")]
    need_room(str(part.parent), sum(_size(f"{file}{end}") for end in sources) or 0)
    for end in sources:
        target = f"{part}{end}"
        files.create_private(target)
        with open(f"{file}{end}", "rb") as source, open(target, "r+b") as copy:  # noqa: PTH123
            copyfileobj(source, copy, 1024 * 1024)
    if "" not in sources:
        raise StoreUnusable(f"{file} is empty")
    try:
        with closing(sqlite3.connect(part, isolation_level=None)) as copied:
            # A plain copy of a database, or one that was kept: take in its -wal.
            copied.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
            copied.execute("PRAGMA journal_mode = DELETE").fetchall()
        return read_back(str(part))
    except sqlite3.Error as error:
        raise StoreUnusable(f"{file} is damaged, or no database: {error}") from error
    except StoreUnusable as error:
        raise StoreUnusable(str(error).replace(str(part), file)) from error


def _size(name: str) -> int:
    try:
        return Path(name).stat().st_size
    except FileNotFoundError:
        return 0


def _swap(real: Path, part: Path) -> Path | None:
    """Have `part` take the place of the database; return where that is kept."""
    kept = _kept(real)
    if not real.exists():
        _move_beside(real, kept)
        part.rename(real)
        sync_directory(str(real.parent))
        return None
    if not _is_database(real):  # SQLite might take in a -wal, and make what is left less
        _exchange(real, part, kept, beside=True)
        return kept
    with closing(sqlite3.connect(real, timeout=BUSY_S, isolation_level=None)) as old:
        _exchange(real, part, kept, beside=not _settled(old, real))
    return kept


def _is_database(real: Path) -> bool:
    """Whether the file begins as one. Before SQLite opens it: closing would drop its locks."""
    with real.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def _exchange(real: Path, part: Path, kept: Path, *, beside: bool) -> None:
    """Name the database `kept`, and `part` as the database; what is `beside` goes with the first.

    There is a database by that name at every instant.
    """
    try:
        os.link(real, kept)
    except OSError as error:
        raise StoreUnusable(
            f"cannot keep {real} under a second name ({error.strerror}): move it and what is"
            " beside it away yourself, then restore again"
        ) from error
    sync_directory(str(real.parent))
    if beside:
        _move_beside(real, kept)
        sync_directory(str(real.parent))
    part.rename(real)
    sync_directory(str(real.parent))


def _kept(real: Path) -> Path:
    now_ms = time.time_ns() // 1_000_000
    at = time.strftime("%Y-%m-%dT%H%M%S", time.gmtime(now_ms // 1000))
    return real.with_name(f"{real.stem}-replaced-{at}.{now_ms % 1000:03d}Z{real.suffix}")


def _settled(old: sqlite3.Connection, real: Path) -> bool:
    """Have the database take in its `-wal`, and hold it alone; False where it is damaged.

    It is in rollback mode then: who opened it before us and still waits finds out that it was
    moved, for such a write begins with a look at the name (SQLITE_READONLY_DBMOVED).
    """
    try:
        old.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
        mode = old.execute("PRAGMA journal_mode = DELETE").fetchall()[0][0]
        old.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in DAMAGED:
            return False
        if code not in _BUSY:
            raise StoreUnavailable("io", f"{real} cannot be used: {error}") from error
    else:
        if mode == "delete":
            return True
    raise StoreUnavailable(
        "locked", f"another process has {real} open: end it (`fuser {real}` names it), or wait"
    )


def _move_beside(real: Path, kept: Path) -> None:
    for end in BESIDE:
        with suppress(FileNotFoundError):
            os.rename(f"{real}{end}", f"{kept}{end}")  # noqa: PTH104 - names with an end


def _alone(kept: Path, real: Path) -> int | None:
    """Count the events that only `kept` has; None where that cannot be told, or not soon."""
    until_s = time.monotonic() + COMPARE_S
    try:
        with closing(sqlite3.connect(read_only_uri(kept), uri=True, isolation_level=None)) as old:
            old.set_progress_handler(lambda: time.monotonic() > until_s, _STEPS)
            old.execute("ATTACH ? AS new", (read_only_uri(real, immutable=True),))
            (found,) = old.execute(
                "SELECT count(*) FROM events e"
                " WHERE NOT EXISTS (SELECT 1 FROM new.events n WHERE n.id = e.id)"
            ).fetchall()
    except sqlite3.Error:
        return None
    return int(found[0])
