"""The disk under the database: what it is, and how long it takes to keep something."""

import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dispatchd.doctor.finding import Figure, Finding, act, note, ok
from dispatchd.doctor.patient import Patient

WRITES: Final = 100
WRITES_MIN: Final = 5  # fewer say nothing
LIMIT_S: Final = 5.0
BLOCK_BYTES: Final = 4096
SLOW_P50_MS: Final = 20.0  # a commit waits for one; a disk that turns takes 8 to 15
SLOW_P99_MS: Final = 250.0
NO_DISK_P50_MS: Final = 0.02  # no device answers so soon: it is memory, or does not sync
IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
ON_THE_NET: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "afs"})


def look(patient: Patient) -> Iterator[Finding]:
    """Judge the file system, then measure it."""
    directory = patient.database.parent
    kind = file_system(directory, Path("/proc/self/mountinfo"))
    if kind in IN_MEMORY:
        yield act(
            "disk",
            f"{directory} is in memory ({kind}): a restart of the machine loses everything",
            "point storage.url at a disk",
        )
    elif kind in ON_THE_NET:
        yield act(
            "disk",
            f"{directory} is on a network file system ({kind}), where SQLite's WAL does not work",
            "point storage.url at a local disk; https://www.sqlite.org/wal.html says why",
        )
    try:
        times_ms = measure(directory, WRITES, LIMIT_S)
    except OSError as error:
        yield note("disk", f"cannot be measured: {error.strerror}")
        return
    yield judge(times_ms)


def judge(times_ms: list[float]) -> Finding:
    """Judge a disk by the ms that syncs took."""
    times_ms = sorted(times_ms)
    p50_ms = times_ms[len(times_ms) // 2]
    p99_ms = times_ms[min(len(times_ms) * 99 // 100, len(times_ms) - 1)]
    figures: dict[str, Figure] = {
        "fsync_p50_ms": round(p50_ms, 3),
        "fsync_p99_ms": round(p99_ms, 3),
        "fsyncs": len(times_ms),
    }
    said = f"an fsync takes {p50_ms:.2f} ms (p50), {p99_ms:.2f} ms (p99 of {len(times_ms)})"
    if p50_ms > SLOW_P50_MS or p99_ms > SLOW_P99_MS or len(times_ms) < WRITES_MIN:
        return act(
            "disk",
            f"{said}: each webhook waits that long for its 202",
            "put the database on a faster disk, or see what keeps this one busy (`iostat -x 1`)",
            figures=figures,
        )
    if p50_ms < NO_DISK_P50_MS:
        return note(
            "disk",
            f"{said}: too quick for a disk that keeps it over a power cut",
            "see whether the volume's syncs reach a disk (a virtual machine's cache mode)",
            figures=figures,
        )
    return ok("disk", f"{said}: good", figures=figures)


def measure(directory: Path, writes: int, limit_s: float) -> list[float]:
    """Write and sync small blocks to a file of our own, as a commit does; return the ms of each.

    Raises OSError. The file has no name any more while it is written to.
    """
    path = directory / f".dispatchd-doctor-{secrets.token_hex(4)}"
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        path.unlink()
        block = os.urandom(BLOCK_BYTES)
        times_ms = []
        started_s = time.perf_counter()
        for number in range(writes):
            before_s = time.perf_counter()
            if before_s - started_s > limit_s:
                break
            os.pwrite(descriptor, block, number * BLOCK_BYTES)
            os.fdatasync(descriptor)
            times_ms.append((time.perf_counter() - before_s) * 1000)
    finally:
        os.close(descriptor)
    return times_ms


def file_system(directory: Path, mounts: Path) -> str | None:
    """Return the type of the file system of `directory`, by proc(5)'s mountinfo."""
    real = os.path.realpath(directory)
    best, kind = -1, None
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return None
    for line in lines:
        left, _, right = line.partition(" - ")
        fields = left.split(" ")
        if len(fields) < 5 or not right:  # noqa: PLR2004 - the mount point is the fifth
            continue
        point = fields[4].replace("\\040", " ")
        inside = real == point or real.startswith(f"{point.rstrip('/')}/")
        if inside and len(point) >= best:  # of two at one point the later is on top
            best, kind = len(point), right.split(" ")[0]
    return kind
