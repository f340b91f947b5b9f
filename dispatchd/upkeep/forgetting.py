"""Forgetting, a few at a time: idempotency keys past their window, counts past their time."""

import asyncio
from typing import Final

from dispatchd.clock import Clock
from dispatchd.errors import StoreUnavailable
from dispatchd.store import Store

EVERY_S: Final = 60.0
# Between batches, so that webhooks have the disk to themselves nearly all the time. A batch of
# 500 keys each tenth of a second still forgets faster than webhooks can come.
PAUSE_S: Final = 0.1


class Forgetting:
    """Looks every minute; where there is something to forget, goes on until nothing is left."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def run(self) -> None:
        """Forget for ever."""
        never = asyncio.Event()
        while True:
            await self._clock.wait(never, PAUSE_S if await self.step() else EVERY_S)

    async def step(self) -> int:
        """Forget one batch; return how many keys and counts it was."""
        now_ms = self._clock.now_ms()
        try:
            return await self._store.forget(now_ms) + await self._store.drop_counts(now_ms)
        except StoreUnavailable:
            return 0  # others say so; what lives longer does no harm
