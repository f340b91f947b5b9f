"""Copies of one SQLite file: how they are made, and how one takes its place."""

from dispatchd.store.copies import Contents, Restored
from dispatchd.store.sqlite import copying, restoring


class SqliteCopies:
    """Copies on the database at `path`, which need not be open, nor of our schema to be copied."""

    def __init__(self, path: str) -> None:
        self._path = path

    def make(self, target: str) -> Contents:
        """Write a consistent copy to `target`, a new file, and read it back."""
        return copying.make(self._path, target)

    def restore(self, file: str) -> Restored:
        """Put a copy of `file` in the database's place, and keep what was there."""
        return restoring.restore(self._path, file)
