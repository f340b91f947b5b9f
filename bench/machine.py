"""What the figures were measured on: machine, versions, fdatasync time; and percentiles."""

import importlib.metadata
import math
import os
import platform
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

SYNC_ROUNDS = 300
SYNC_BYTES = 4096


class RefusedError(Exception):
    """The run broke a promise, so its figures mean nothing."""


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank: a value that was measured, never one between two."""
    ordered = sorted(values)
    if not ordered:
        return float("nan")
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def fdatasync_ms(directory: str) -> tuple[float, float]:
    """p50 and p99 of appending 4 KiB and fdatasync in `directory`."""
    path = Path(directory) / "fdatasync.probe"
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    times = []
    try:
        for _ in range(SYNC_ROUNDS):
            os.write(fd, b"x" * SYNC_BYTES)
            start = time.perf_counter()
            os.fdatasync(fd)
            times.append((time.perf_counter() - start) * 1000)
    finally:
        os.close(fd)
        path.unlink()
    return percentile(times, 0.5), percentile(times, 0.99)


def print_facts(directory: str, method: str, *, timed: bool = True) -> None:
    """`timed`: the time of a sync is in the figures, so a disk without one is refused."""
    versions = " ".join(f"{name} {_version(name)}" for name in ("aiohttp", "uvloop", "dispatchd"))
    p50, p99 = fdatasync_ms(directory)
    load_1m = os.getloadavg()[0]
    print(f"machine   {_cpu()}, {os.cpu_count()} CPUs, {_memory_gib():.1f} GiB")
    print(f"system    {platform.system()} {platform.release()}, load {load_1m:.2f} at the start")
    print(
        f"versions  Python {platform.python_version()} SQLite {sqlite3.sqlite_version} {versions}"
    )
    print(f"fdatasync p50 {p50:.3f} ms, p99 {p99:.3f} ms (4 KiB appends, {_filesystem(directory)})")
    print(f"method    {method}", flush=True)
    if load_1m > 0.5:
        print("warning   the machine was not quiet at the start; do not record these figures")
    if timed and _filesystem(directory) in ("tmpfs", "ramfs"):
        raise RefusedError(f"{directory} is in memory, where a sync costs nothing; --directory DIR")


def finish(run: Callable[[], None]) -> None:
    """Run a benchmark's main; a broken promise prints no figure and exits 1."""
    try:
        run()
    except RefusedError as error:
        print(f"REFUSED: {error}", file=sys.stderr)
        sys.exit(1)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
    # Run from a source tree: the version is the package's own.
    text = (Path(__file__).resolve().parent.parent / "dispatchd" / "__init__.py").read_text()
    found = re.search(r'__version__[^"]*"([^"]+)"', text)
    return found[1] if found and name == "dispatchd" else "unknown"


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _filesystem(directory: str) -> str:
    best, kind = "", "unknown file system"
    real = str(Path(directory).resolve())
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, fstype, *_ = line.split()
        inside = mount in ("/", real) or real.startswith(mount + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, fstype
    return kind
