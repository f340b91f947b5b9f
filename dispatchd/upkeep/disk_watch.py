"""Free disk: below a bound no webhook is taken any more, before the database has no room itself.

What is on disk already goes on: a result needs little, and retention makes room.
"""

import asyncio
from typing import Final

from dispatchd.clock import Clock
from dispatchd.errors import StoreUnavailable
from dispatchd.facts import DiskChanged, Tell
from dispatchd.store.health import StoreHealth
from dispatchd.store.retention import Retention, Space
from dispatchd.upkeep.spec import StorageSpec

TICK_S: Final = 1.0
DEFAULT_BYTES: Final = 256 * 1024 * 1024  # where the config says nothing,
SMALL_SHARE: Final = 20  # or this part of the file system, where that is less
ENOUGH: Final = 1.25  # times the bound lifts it, or it would come and go with each checkpoint


class DiskWatch:
    """Asks the file system once a second, and tells `health` and, as a fact, everybody else."""

    def __init__(
        self, spec: StorageSpec, store: Retention, health: StoreHealth, clock: Clock, tell: Tell
    ) -> None:
        self._spec = spec
        self._store = store
        self._health = health
        self._clock = clock
        self._tell = tell

    def want(self, spec: StorageSpec) -> None:
        """Keep to another config's bound from the next look on."""
        self._spec = spec

    async def run(self) -> None:
        """Watch for ever."""
        never = asyncio.Event()
        while True:
            await self.look()
            await self._clock.wait(never, TICK_S)

    async def look(self) -> None:
        """Look once."""
        try:
            space = await self._store.space()
        except StoreUnavailable:
            return  # others say so
        if space is None:
            return
        bound_bytes = bound(self._spec.min_free_bytes, space)
        was_low = self._health.disk_low
        low = space.free_bytes < bound_bytes * (ENOUGH if was_low else 1)
        if low != was_low:
            self._health.disk_low = low
            self._tell(DiskChanged(low, space.free_bytes, bound_bytes))


def bound(min_free_bytes: int | None, space: Space) -> int:
    """Return the least that must be free, in bytes, on a file system of this size."""
    if min_free_bytes is not None:
        return min_free_bytes
    return min(DEFAULT_BYTES, space.total_bytes // SMALL_SHARE)
