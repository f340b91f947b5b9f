"""How a backlog that is worked off makes way for new events: it leaves half a processor alone.

A drain takes what there is: a destination that answers at once keeps the loop and the disk busy,
and each step of a new event waits for a dozen of the drain's. So while events come, lanes that
drain start no more exchanges than keep the process under a share of one processor; with nobody
to make way for they take all of it.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Final

from dispatchd.clock import Clock

SHARE: Final = 0.5  # of one processor, for everything this process does, before a drain waits
FRESH_S: Final = 1.0  # how long after an event another one is expected
SAVED_MAX_S: Final = 0.001  # what a moment of rest may be made up for
OWED_MAX_S: Final = 0.004  # and for how long a burst of others is paid
LEAST_EVERY_S: Final = 0.001  # a drain starts something this often, however busy the others are

CallLater = Callable[[float, Callable[[], None]], object]


def _call_later(delay_s: float, callback: Callable[[], None]) -> object:
    return asyncio.get_running_loop().call_later(delay_s, callback)


class Courtesy:
    """Says whether a lane that drains may start something now; one for all lanes."""

    def __init__(self, clock: Clock, call_later: CallLater = _call_later) -> None:
        self._clock = clock
        self._call_later = call_later
        self._came_s = -math.inf
        self._seen_s = clock.monotonic_s()
        self._seen_cpu_s = clock.processor_s()
        self._left_s = 0.0  # of processor time; below 0 it is owed
        self._started_s = -math.inf
        self._waiting: dict[Callable[[], None], None] = {}

    def came(self) -> None:
        """Hear that an event has come."""
        self._came_s = self._clock.monotonic_s()

    def allows(self, again: Callable[[], None]) -> bool:
        """Whether a drain may start something; where not, `again` is called before long."""
        now_s = self._clock.monotonic_s()
        if now_s - self._came_s > FRESH_S:
            return True
        cpu_s = self._clock.processor_s()
        self._left_s += (now_s - self._seen_s) * SHARE - (cpu_s - self._seen_cpu_s)
        self._left_s = max(-OWED_MAX_S, min(SAVED_MAX_S, self._left_s))
        self._seen_s, self._seen_cpu_s = now_s, cpu_s
        if self._left_s >= 0 or now_s - self._started_s >= LEAST_EVERY_S:
            self._started_s = now_s
            return True
        if not self._waiting:
            self._call_later(LEAST_EVERY_S, self._go_on)
        self._waiting[again] = None
        return False

    def _go_on(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for again in waiting:
            again()
