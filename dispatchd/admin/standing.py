"""How the lanes stand, for whoever looks often: a large backlog takes a while to count."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from dispatchd.admin.parts import AdminParts
from dispatchd.errors import StoreUnavailable

if TYPE_CHECKING:
    from dispatchd.store.base import LaneSummary

AGAIN_S: Final = 1.0  # the lanes are counted no more often,
AGAIN_TIMES: Final = 20  # nor in more than a twentieth of the time
SAMPLES_MAX: Final = 60
SAMPLES_S: Final = 120.0  # an older one says nothing of how fast a backlog drains
SPAN_MIN_S: Final = 3.0


class Standing:
    """Counts, unless that was done just now."""

    def __init__(self, parts: AdminParts) -> None:
        self._parts = parts
        self._lanes: Sequence[LaneSummary] = ()
        self._disk: tuple[int, int] | None = None
        self._again_s = 0.0
        self._looking = asyncio.Lock()
        self._samples: deque[tuple[float, dict[str, int]]] = deque(maxlen=SAMPLES_MAX)

    async def lanes(self) -> Sequence["LaneSummary"]:
        """Return how the lanes stand, or stood a moment ago."""
        await self._look()
        return self._lanes

    async def disk(self) -> tuple[int, int] | None:
        """Return the bytes of the database and those free beside it, likewise."""
        await self._look()
        return self._disk

    def drain_per_s(self, destination: str) -> float | None:
        """Return how fast a backlog shrinks (below 0: grows); None where that was not seen yet."""
        now_s = time.perf_counter()
        seen = [
            (at_s, backlogs.get(destination, 0))
            for at_s, backlogs in self._samples
            if now_s - at_s <= SAMPLES_S
        ]
        if len(seen) < 2 or seen[-1][0] - seen[0][0] < SPAN_MIN_S:  # noqa: PLR2004 - two make a span
            return None
        return (seen[0][1] - seen[-1][1]) / (seen[-1][0] - seen[0][0])

    async def _look(self) -> None:
        async with self._looking:
            began_s = time.perf_counter()
            if began_s < self._again_s:
                return
            try:
                self._lanes = await self._parts.reads.lanes()
                self._disk = await self._parts.reads.disk()
            except StoreUnavailable:
                pass  # the store's health says so; the rest is as it was
            else:
                counted = {one.destination: one.backlog for one in self._lanes}
                self._samples.append((time.perf_counter(), counted))
            ended_s = time.perf_counter()
            self._again_s = ended_s + max(AGAIN_S, AGAIN_TIMES * (ended_s - began_s))
