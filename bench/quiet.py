"""Was the machine ours? CPU time on the two cores that neither server nor load used.

A load average says nothing about a measured second, and nothing about time the
hypervisor gave to others; /proc/stat says both.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from servers import LOAD_CORE, SERVER_CORE, Server

MAX_STOLEN = 0.05  # of either core, by the hypervisor
MAX_OTHERS = 0.10  # of one core, by other processes; below this is the clock ticks' own error


@dataclass
class Watch:
    """What was seen from entering to leaving `watch`, as shares of one core."""

    stolen: float = 0.0
    others: float = 0.0
    server: float = 0.0
    load: float = 0.0

    @property
    def disturbed(self) -> bool:
        return self.stolen > MAX_STOLEN or self.others > MAX_OTHERS

    def text(self) -> str:
        return (
            f"CPU server {self.server:.0%} load {self.load:.0%} "
            f"others {self.others:.0%} stolen {self.stolen:.0%}"
        )

    @property
    def note(self) -> str:
        return " DISTURBED" if self.disturbed else ""


def uneven(one: Watch, other: Watch) -> bool:
    """Whether a ratio of alternating runs is in doubt; theft from both alike does not count."""
    return max(one.others, other.others) > MAX_OTHERS or abs(one.stolen - other.stolen) > MAX_STOLEN


def mean(watches: Sequence[Watch]) -> Watch:
    """What was seen over several slices of one length."""
    fields = ("stolen", "others", "server", "load")
    return Watch(*(sum(getattr(one, name) for one in watches) / len(watches) for name in fields))


@contextmanager
def watch(server: Server) -> Iterator[Watch]:
    seen = Watch()
    begin, own, its, cores = time.monotonic(), time.process_time(), server.cpu_s(), _cores()
    yield seen
    wall = time.monotonic() - begin
    seen.load = (time.process_time() - own) / wall
    seen.server = (server.cpu_s() - its) / wall
    ends = _cores()
    busy = sum(ends[core][0] - cores[core][0] for core in cores)
    seen.others = max(0.0, busy / wall - seen.load - seen.server)
    seen.stolen = max(ends[core][1] - cores[core][1] for core in cores) / wall


def _cores() -> dict[int, tuple[float, float]]:
    """Seconds busy in processes and seconds stolen, by core. Interrupts belong to nobody."""
    ticks = os.sysconf("SC_CLK_TCK")
    seen = {}
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name in (f"cpu{SERVER_CORE}", f"cpu{LOAD_CORE}"):
            user, nice, system, _idle, _iowait, _irq, _softirq, stolen = map(int, fields[:8])
            seen[int(name[3:])] = ((user + nice + system) / ticks, stolen / ticks)
    return seen
