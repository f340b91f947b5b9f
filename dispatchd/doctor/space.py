"""The free space beside the database."""

import os
from collections.abc import Iterator
from typing import Final

from dispatchd.doctor.finding import Finding, act, note, ok
from dispatchd.doctor.patient import Patient
from dispatchd.spelling import size
from dispatchd.store.retention import Space
from dispatchd.upkeep.disk_watch import bound

SOON: Final = 2  # times the least: worth knowing before it is too late
INODES_MIN: Final = 1000


def look(patient: Patient) -> Iterator[Finding]:
    """Compare what is free with the least that has to be."""
    try:
        found = os.statvfs(patient.database.parent)
    except OSError as error:
        yield note("space", f"cannot be told: {error.strerror}")
        return
    free_bytes, total_bytes = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    space = Space(free_bytes, total_bytes)
    least_bytes = bound(patient.config.storage.min_free_bytes, space)
    said = f"{size(free_bytes)} of {size(total_bytes)} are free"
    if free_bytes < least_bytes:
        yield act(
            "space",
            f"{said}, less than storage.min_free, {size(least_bytes)}: webhooks are refused",
            "make room: `dispatchd prune`, a shorter storage.retention, or a larger disk",
            figures={"free_bytes": free_bytes},
        )
    elif free_bytes < SOON * least_bytes:
        yield note(
            "space",
            f"{said}, not much more than storage.min_free, {size(least_bytes)}",
            figures={"free_bytes": free_bytes},
        )
    else:
        yield ok("space", said, figures={"free_bytes": free_bytes})
    if found.f_files and found.f_favail < INODES_MIN:
        yield act(
            "space",
            f"the file system has room for {found.f_favail:,} more files",
            "delete files you do not need: `df -i` tells where",
            figures={"free_files": found.f_favail},
        )
