"""Where events, deliveries and attempts are kept, behind one protocol."""

from dispatchd.store.base import Store
from dispatchd.store.checkup import Checkup
from dispatchd.store.copies import Copies
from dispatchd.store.reads import Reads


def store_from_url(url: str, *, busy_timeout_ms: int = 2000) -> Store:
    """Return the store that `storage.url` names; nothing is opened yet.

    `busy_timeout_ms` is how long a write waits for another process that is writing.
    Raises ValueError for a scheme no backend claims.
    """
    from dispatchd.store.sqlite import SqliteStore  # noqa: PLC0415 - the protocol needs none

    return SqliteStore(_sqlite_path(url), busy_timeout_ms=busy_timeout_ms)


def reads_from_url(url: str) -> Reads:
    """Return the same store to look into, beside the daemon's; nothing is opened yet.

    Raises ValueError for a scheme no backend claims.
    """
    from dispatchd.store.sqlite import SqliteReads  # noqa: PLC0415 - likewise

    return SqliteReads(_sqlite_path(url))


def copies_from_url(url: str) -> Copies:
    """Return what makes and takes copies of the same store; nothing is opened yet.

    Raises ValueError for a scheme no backend claims.
    """
    from dispatchd.store.sqlite.copies import SqliteCopies  # noqa: PLC0415 - likewise

    return SqliteCopies(_sqlite_path(url))


def check_up(url: str, limit_s: float | None) -> Checkup:
    """Look at the same store, whoever uses it; `limit_s` None is the full check.

    Raises StoreUnusable, and ValueError for a scheme no backend claims.
    """
    from dispatchd.store.sqlite.checking import check_up as look  # noqa: PLC0415 - likewise

    return look(_sqlite_path(url), limit_s)


def served_by(url: str) -> int | None:
    """Return the process id of the daemon on the same store, 0 where it has one that is not told.

    None where no daemon has it.
    """
    from dispatchd.store.sqlite import files  # noqa: PLC0415 - likewise

    path = url.partition(":///")[2]
    return files.holder(path) if files.locked(path) else None


def _sqlite_path(url: str) -> str:
    scheme, separator, path = url.partition(":///")
    if scheme == "sqlite" and separator and path:
        return path
    raise ValueError(f"no storage backend for {url.partition(':')[0]!r}: use sqlite:///PATH")


__all__ = [
    "Checkup",
    "Copies",
    "Reads",
    "Store",
    "check_up",
    "copies_from_url",
    "reads_from_url",
    "served_by",
    "store_from_url",
]
