"""What another process writes is noticed: a replay, a pause, a job."""

import asyncio
from collections.abc import Callable
from typing import Final

from dispatchd.clock import Clock
from dispatchd.errors import StoreUnavailable
from dispatchd.store import Store
from dispatchd.store.health import StoreHealth

TICK_S: Final = 1.0


class Notice:
    """Calls `look` within a second of another process's change."""

    def __init__(
        self, store: Store, health: StoreHealth, clock: Clock, look: Callable[[], None]
    ) -> None:
        self._store = store
        self._health = health
        self._clock = clock
        self._look = look

    async def run(self) -> None:
        """Notice for ever."""
        never = asyncio.Event()
        seen: int | None = None
        while True:
            try:
                version = await self._store.version()
            except StoreUnavailable as error:
                self._health.failed(error)
            else:
                if version != seen:  # the first too: the lanes may have looked before it
                    self._look()
                seen = version
            await self._clock.wait(never, TICK_S)
