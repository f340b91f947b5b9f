"""The files of a SQLite database: made for their owner alone, and known again while in use."""

import fcntl
import os
import re
import stat
import time
from pathlib import Path
from typing import Final

from dispatchd.errors import AlreadyRunning, StoreUnavailable, StoreUnusable
from dispatchd.store.retention import Space

PRIVATE: Final = 0o600  # they hold every body that was received
OTHERS: Final = 0o077
_PID: Final = re.compile(rb"[0-9 ]{0,20}\n?")
_PID_MAX_BYTES: Final = 32
ELSEWHERE: Final = "; storage.url says where the database is kept"
LOCK_TRIES: Final = 5
LOCK_PAUSE_S: Final = 0.02


def create_private(path: str) -> None:
    """Make an empty file that its owner alone may read, whatever the umask; keep one that exists.

    SQLite gives the `-wal` and `-shm` files the database's mode. An existing database is not
    opened here: closing a second descriptor of it would drop SQLite's POSIX locks on it.
    Raises FileExistsError, and OSError where it cannot be made.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, PRIVATE)
    try:
        os.fchmod(descriptor, PRIVATE)
    finally:
        os.close(descriptor)


def prepare(path: str) -> None:
    """Make the database's file where there is none, and where a link to it leads."""
    directory = Path(path).resolve().parent
    if not directory.is_dir():
        raise StoreUnusable(f"cannot open {path}: {directory} is not a directory")
    try:
        create_private(os.path.realpath(path))
    except FileExistsError:
        pass
    except OSError as error:
        raise StoreUnusable(f"cannot create {path}: {error.strerror}{ELSEWHERE}") from error


def too_open(path: str) -> str | None:
    """Return a sentence where others than its owner may read or write the file, else None."""
    mode = stat.S_IMODE(Path(path).stat().st_mode)
    if not mode & OTHERS:
        return None
    return (
        f"the database {path} has mode {mode:04o}: others than its owner may open it, and it holds"
        f" every body that was received; `chmod {PRIVATE:o} {path}*` unless that is meant"
    )


def size_bytes(path: str) -> int:
    """Return how large a file is; 0 where there is none."""
    try:
        return Path(path).stat().st_size
    except FileNotFoundError:
        return 0


def used_bytes(path: str) -> int:
    """Return how large a database is with its `-wal`, which is of it, and on the same disk."""
    real = os.path.realpath(path)
    return size_bytes(real) + size_bytes(f"{real}-wal")


def disk(path: str) -> tuple[int, int]:
    """Return the bytes of a database and its `-wal`, and those free to us in its file system."""
    directory = os.path.dirname(os.path.realpath(path))  # noqa: PTH120 - as it is spelled here
    return used_bytes(path), space(directory).free_bytes


def space(path: str) -> Space:
    """Return what the file system of `path` has left for us, and its size. Raises OSError."""
    found = os.statvfs(path)
    return Space(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)


class OpenFiles:
    """Which files SQLite has open, by device and inode: what a path names may change.

    A database that was deleted or replaced goes on working for who has it open, and all that is
    written to it is gone with the last of them.
    """

    def __init__(self, path: str) -> None:
        """Remember the files of the open database at `path`, and of its `-wal` and `-shm`."""
        self._path = os.path.abspath(path)  # noqa: PTH100 - a link at its end must stay a link
        beside = os.path.realpath(path)  # SQLite puts them beside the file itself
        hold = (self._path, f"{beside}-wal")
        self._hold = tuple((name, _identity(name)) for name in hold)
        shared = f"{beside}-shm"
        self._all = (*self._hold, (shared, _identity(shared)))

    def check(self, *, data_only: bool = False) -> None:
        """Raise StoreUnavailable where a path names another file now, or none.

        `data_only` asks for the two files that hold what is kept: enough before a COMMIT. Without
        the `-shm` other processes, and what they think of the `-wal`, go astray, sooner or later.
        """
        for name, known in self._hold if data_only else self._all:
            try:
                same = known is None or _identity(name) == known
            except OSError as error:
                raise StoreUnavailable(
                    "io", f"the database {self._path} cannot be seen: {error.strerror}"
                ) from error
            if not same:
                raise StoreUnavailable(
                    "replaced",
                    f"{name} was deleted or replaced while in use: put the original back, or"
                    " restart dispatchd to go on with what is there now",
                )


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - at every commit; a Path costs more than the question
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def _lock_name(path: str) -> str:
    """One database, one lock, whatever link leads to it."""
    return f"{os.path.realpath(path)}.lock"


def _lock_soon(descriptor: int) -> None:
    """Lock, past whoever only looks whether it is locked. Raises OSError where a daemon has it."""
    for _ in range(LOCK_TRIES - 1):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(LOCK_PAUSE_S)
        else:
            return
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def lock(path: str) -> int:
    """Become the one daemon on the database at `path`; return what holds the lock until closed.

    The lock file is never a link and never anything but a lock file, or it is refused as it is.
    Raises AlreadyRunning, or StoreUnusable.
    """
    name = _lock_name(path)
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        descriptor = os.open(name, flags, PRIVATE)
    except OSError as error:
        reason = f"{error.strerror}{ELSEWHERE}"
        if Path(name).is_symlink():
            reason = "it is a link"
        raise StoreUnusable(f"cannot create {name}: {reason}") from error
    try:
        found = os.fstat(descriptor)
        holder = os.pread(descriptor, _PID_MAX_BYTES, 0) if stat.S_ISREG(found.st_mode) else b"?"
        if found.st_nlink > 1 or not _PID.fullmatch(holder):
            raise StoreUnusable(f"{name} is no lock file of dispatchd: move it away")  # noqa: TRY301 - closed below
        try:
            _lock_soon(descriptor)
        except OSError as error:
            pid = holder.decode().strip() or "unknown"
            raise AlreadyRunning(f"another dispatchd (pid {pid}) already serves {path}") from error
        if found.st_uid == os.geteuid():
            os.fchmod(descriptor, PRIVATE)  # who can open it can hold it
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def holder(path: str) -> int:
    """Return the process id that the lock of the database at `path` names; 0 where none is told."""
    try:
        descriptor = os.open(_lock_name(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        said = os.pread(descriptor, _PID_MAX_BYTES, 0).strip()
    finally:
        os.close(descriptor)
    return int(said) if said.isdigit() else 0


def locked(path: str) -> bool:
    """Whether somebody is the one daemon on the database at `path`; also where nobody can tell.

    Looking takes a shared lock for a moment, which `lock` waits out.
    """
    try:
        descriptor = os.open(_lock_name(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
