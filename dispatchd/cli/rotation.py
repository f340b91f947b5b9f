"""Backups in a directory: what they are called, and which of them have had their time."""

import re
import time
from pathlib import Path
from typing import Final

_TIME: Final = r"\d{4}-\d{2}-\d{2}T\d{6}\.\d{3}Z"  # sorts as it reads, on any file system
PART: Final = ".dispatchd-backup-"
STALE_S: Final = 24 * 3600.0  # no copy goes a day without a write to it


def backup_name(database: str, now_ms: int) -> str:
    """Return what a backup of `database` that is made now is called."""
    at = time.strftime("%Y-%m-%dT%H%M%S", time.gmtime(now_ms // 1000))
    return f"{Path(database).stem}-{at}.{now_ms % 1000:03d}Z.db"


def outlived(directory: Path, database: str, keep: int, newest: Path) -> list[Path]:
    """Return the backups of `database` beyond the last `keep`, the oldest first.

    Only files that are called as we call them, never a link or a directory, and never `newest`,
    whatever its name says of the time: the clock may have been set.
    """
    ours = re.compile(rf"{re.escape(Path(database).stem)}-{_TIME}\.db")
    found = [
        path
        for path in sorted(directory.iterdir())
        if ours.fullmatch(path.name) and path.is_file() and not path.is_symlink() and path != newest
    ]
    return found[: max(len(found) - (keep - 1), 0)]


def sweep(directory: Path) -> None:
    """Remove what a backup that was killed left behind, once nobody can be at work on it."""
    before_s = time.time() - STALE_S
    for path in directory.glob(f"{PART}*.part*"):
        try:
            if path.stat().st_mtime < before_s:
                path.unlink()
        except OSError:  # another was first, or may not: it is only in the way
            continue
