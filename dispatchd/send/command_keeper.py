"""The keeper: a process that ends what the daemon's commands left, should the daemon be killed.

It is told process groups on its stdin, `+PID` when one has started and `-PID` when it is gone.
When that ends the daemon has, by whatever: SIGTERM for those still there, 2 s, SIGKILL. It is run
as a file of its own, without the rest of dispatchd, to stay small.
"""

import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator

GRACE_S = 2.0
LOOK_EVERY_S = 0.02


def left(lines: Iterable[str]) -> set[int]:
    """Read lines to their end; return the groups that started and did not end."""
    groups: set[int] = set()
    for line in lines:
        if not line.endswith("\n"):
            break  # cut short: it may name another's
        group = int(line[1:])
        (groups.add if line.startswith("+") else groups.discard)(group)
    return groups


def end(groups: set[int]) -> None:
    """End process groups."""
    there = set(_signalled(groups, signal.SIGTERM))
    until_s = time.monotonic() + GRACE_S
    while there and time.monotonic() < until_s:
        time.sleep(LOOK_EVERY_S)
        there = set(_signalled(there, 0))
    for _ in _signalled(there, signal.SIGKILL):
        pass


def _signalled(groups: set[int], number: int) -> Iterator[int]:
    """Signal groups; yield those that are there."""
    for group in groups:
        try:
            os.killpg(group, number)
        except OSError:
            continue
        yield group


if __name__ == "__main__":
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)  # they are for the daemon: its end is ours
    end(left(sys.stdin))
