"""What is looked at: one installation, by its config, with its daemon up or down."""

import os
from pathlib import Path

from dispatchd.config import Config
from dispatchd.frozen import frozen
from dispatchd.store.checkup import Checkup


@frozen
class Patient:
    """`source` is the config's file, `database` the real path of the database's.

    `checkup` is what the database was found to be, None where there is none, or where `trouble`
    says why it could not be read; `pid` is the running daemon's, None where none runs, and 0
    where one does that cannot be told.
    """

    config: Config
    source: Path
    database: Path
    checkup: Checkup | None
    pid: int | None
    trouble: str | None = None

    @property
    def runs(self) -> bool:
        """Whether a daemon has this database."""
        return self.pid is not None

    def proc(self, name: str) -> str | None:
        """Read a file of the daemon's in /proc; None where it may not be read."""
        if not self.pid:
            return None
        try:
            return Path(f"/proc/{self.pid}/{name}").read_text()
        except OSError:
            return None

    def uid(self) -> int | None:
        """Return whose the running daemon is."""
        if not self.pid:
            return None
        try:
            return os.stat(f"/proc/{self.pid}").st_uid  # noqa: PTH116 - of a process
        except OSError:
            return None
