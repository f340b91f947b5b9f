"""How many files may be open: each connection and each exchange is one."""

import re
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dispatchd.doctor.finding import Finding, act, ok
from dispatchd.doctor.patient import Patient
from dispatchd.listener import FILES_BESIDE

OTHERS: Final = 64  # the database, the log, pipes to helpers
_LIMIT: Final = re.compile(r"^Max open files +(\S+) +(\S+)", re.MULTILINE)


def look(patient: Patient) -> Iterator[Finding]:
    """Compare the limit with what the config's connections and deliveries may need."""
    wanted = needed(patient)
    allowed, whose = _allowed(patient)
    now = _open_now(patient)
    said = f"{whose} may have {'any number' if allowed is None else f'{allowed:,}'} open"
    said += f", and the config may need {wanted:,}"
    if now is not None:
        said += f"; {now:,} are open"
    figures = {"allowed": allowed, "wanted": wanted, "open": now}
    if allowed is None or allowed >= wanted:
        yield ok("files", said, figures=figures)
        return
    yield act(
        "files",
        said,
        f"LimitNOFILE={wanted} in its unit (`ulimit -Hn` in a shell), or a smaller"
        " server.max_connections",
        figures=figures,
    )


def needed(patient: Patient) -> int:
    """Return how many files may be open at once."""
    config = patient.config
    in_flight = sum(destination.at_once() for destination in config.destinations.values())
    return config.server.max_connections + max(FILES_BESIDE, in_flight + OTHERS)


def _allowed(patient: Patient) -> tuple[int | None, str]:
    """Return the limit, None without one, and whose it is. The daemon raises its soft limit."""
    limits = patient.proc("limits")
    found = _LIMIT.search(limits) if limits is not None else None
    if found is not None:
        hard = found[2]
        return (int(hard) if hard.isdigit() else None), "the daemon"
    hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return (None if hard_limit == resource.RLIM_INFINITY else hard_limit), "a daemon started here"


def _open_now(patient: Patient) -> int | None:
    if not patient.pid:
        return None
    try:
        return sum(1 for _ in Path(f"/proc/{patient.pid}/fd").iterdir())
    except OSError:
        return None
