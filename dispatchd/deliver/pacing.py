"""Which lanes are paced, kept for people to see: at most once a second, all lanes in one write.

A destination that asks for a moment after every request changes its pace with each of them.
"""

import asyncio
from typing import Final

from dispatchd.clock import Clock
from dispatchd.errors import StoreUnavailable
from dispatchd.model import Pacing
from dispatchd.store.base import Schedule
from dispatchd.store.health import StoreHealth

KEEP_EVERY_S: Final = 1.0


class Paces:
    """Keeps why lanes are paced. Nothing depends on it: what a crash loses is said anew."""

    def __init__(self, store: Schedule, health: StoreHealth, clock: Clock) -> None:
        self._store = store
        self._health = health
        self._clock = clock
        self._changed: dict[str, Pacing | None] = {}
        self._wake = asyncio.Event()

    def say(self, destination: str, pacing: Pacing | None) -> None:
        """Say that a lane is paced, or with None that it no longer is."""
        self._changed[destination] = pacing
        self._wake.set()

    async def run(self) -> None:
        """Write what was said until the store is closed."""
        never = asyncio.Event()
        while True:
            await self._wake.wait()
            self._wake.clear()
            changed, self._changed = self._changed, {}
            try:
                await self._store.pace_lanes(changed)
            except StoreUnavailable as error:
                if error.reason == "closed":
                    return
                self._health.failed(error)
                self._changed = {**changed, **self._changed}
                self._wake.set()
                await self._health.wait_until_good()
            await self._clock.wait(never, KEEP_EVERY_S)
