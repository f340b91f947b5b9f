"""Copies of a store: made while it is in use, read back, and put in its place."""

from collections.abc import Mapping
from typing import Protocol

from dispatchd.frozen import frozen


@frozen
class Contents:
    """What a copy holds, as it was read back.

    `rows` are counted by table, `owed` are deliveries that have not ended, `schema` is the
    version of its tables and `known_schema` this dispatchd's own. Times are Unix ms.
    """

    size_bytes: int
    schema: int
    known_schema: int
    rows: Mapping[str, int]
    owed: int
    newest_ms: int | None

    @property
    def events(self) -> int:
        """How many events there are."""
        return self.rows["events"]

    @property
    def deliveries(self) -> int:
        """How many deliveries there are, ended or not."""
        return self.rows["deliveries"]


@frozen
class Restored:
    """What was put in place, and what became of what was there.

    `kept` is the file that it is in now, None where there was nothing; `kept_alone` counts the
    events that only that file has, None where it cannot be read, or not soon.
    """

    contents: Contents
    kept: str | None = None
    kept_alone: int | None = None


class Copies(Protocol):
    """What makes and takes copies of one store. Blocks; for commands, never for the daemon."""

    def make(self, target: str) -> Contents:
        """Write a consistent copy to `target`, a new file, whoever uses the store meanwhile.

        It is synced, read back, found sound, and has as many rows of everything as the store
        had at that moment. Raises StoreUnavailable, StoreUnusable, and OSError for the target.
        """

    def restore(self, file: str) -> Restored:
        """Put a copy of `file` in the store's place, whole or not at all; keep what was there.

        Raises AlreadyRunning, StoreUnavailable, StoreUnusable, and OSError where it cannot be
        written.
        """
