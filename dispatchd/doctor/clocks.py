"""The clock: against the one that the database keeps, and whether anything sets it right."""

import ctypes
import time
from collections.abc import Iterator
from typing import Final

from dispatchd.doctor.finding import Finding, act, note, ok
from dispatchd.doctor.patient import Patient
from dispatchd.spelling import iso, span

AHEAD_MS: Final = 2000  # as the daemon's watch has it
STALE_MS: Final = 5 * 60_000  # a running daemon keeps the clock each minute
UNSYNCED: Final = 0x0040  # STA_UNSYNC of adjtimex(2)
_TIMEX_BYTES: Final = 512  # larger than any kernel's struct timex
_STATUS_AT: Final = 5 * ctypes.sizeof(ctypes.c_long)  # `modes`, padded, and four longs before it


def look(patient: Patient) -> Iterator[Finding]:
    """Judge the wall clock."""
    now_ms = time.time_ns() // 1_000_000
    kept_ms = None if patient.checkup is None else patient.checkup.kept_ms
    yield judge(now_ms, kept_ms, runs=patient.runs)
    synced = synchronised()
    if synced is False:
        yield note(
            "clock",
            "nothing keeps it right (by adjtimex): signatures with a time in them are refused once"
            " it is minutes off",
            "run chrony or systemd-timesyncd, here or on the machine that this one runs on",
        )


def judge(now_ms: int, kept_ms: int | None, *, runs: bool) -> Finding:
    """Compare the wall clock with what the database keeps of it."""
    said = f"{iso(now_ms).replace('T', ' ').replace('Z', ' UTC')}"
    if kept_ms is not None and kept_ms - now_ms >= AHEAD_MS:
        return act(
            "clock",
            f"{said}: it was set back by {span(kept_ms - now_ms)} since the database last saw it;"
            " what is due stays due, but new times are before old ones",
            "see whether it is right now",
            figures={"skew_ms": now_ms - kept_ms},
        )
    if runs and kept_ms and now_ms - kept_ms > STALE_MS:
        return act(
            "clock",
            f"{said}: the running daemon last kept it {span(now_ms - kept_ms)} ago, and should each"
            " minute: either it was set forward, or the daemon cannot write",
            "see whether it is right, and what the daemon's log says of storage",
            figures={"skew_ms": now_ms - kept_ms},
        )
    return ok("clock", said if not kept_ms else f"{said}, not before what the database saw")


def synchronised() -> bool | None:
    """Ask the kernel whether anything disciplines its clock; None where that cannot be asked."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        timex = ctypes.create_string_buffer(_TIMEX_BYTES)  # all zero: it is only read
        if libc.adjtimex(timex) < 0:
            return None
    except (OSError, AttributeError):
        return None
    status = ctypes.c_int.from_buffer(timex, _STATUS_AT).value
    return not status & UNSYNCED
