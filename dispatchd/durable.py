"""Files that are on the disk for good: what is in them, and by what name."""

import os


def sync(file: str, *, forget: bool = False) -> None:
    """Have a file on the disk; `forget` it then, so that reading it back asks the disk."""
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
        if forget:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def sync_directory(directory: str) -> None:
    """Have the names in a directory on the disk."""
    descriptor = os.open(directory or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
