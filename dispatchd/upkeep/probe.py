"""The store's health: looked after while it is good, asked for until it is good again."""

import asyncio
from typing import Final

from dispatchd.clock import Clock
from dispatchd.errors import StoreUnavailable
from dispatchd.store import Store
from dispatchd.store.health import StoreHealth

TICK_S: Final = 1.0
CHECK_EVERY_S: Final = 3.0  # asks the file system alone: a quiet daemon writes nothing for it


class Probe:
    """Finds out that the database is gone before a webhook does, and that it is back."""

    def __init__(self, store: Store, health: StoreHealth, clock: Clock) -> None:
        self._store = store
        self._health = health
        self._clock = clock
        self._checked_s = clock.monotonic_s()

    async def run(self) -> None:
        """Probe for ever."""
        never = asyncio.Event()
        while True:
            await self._clock.wait(never, TICK_S)
            if not self._health.good:
                await self.ping()
            elif self._clock.monotonic_s() - self._checked_s >= CHECK_EVERY_S:
                await self.check()

    async def ping(self) -> None:
        """Ask for an answer and a write."""
        try:
            await self._store.ping()
        except StoreUnavailable as error:
            self._health.failed(error)
        else:
            self._health.worked()

    async def check(self) -> None:
        """Ask whether the database is still the one that was opened."""
        self._checked_s = self._clock.monotonic_s()
        try:
            await self._store.check()
        except StoreUnavailable as error:
            self._health.failed(error)
