"""Idempotency keys: forgotten once their window has ended, a few at a time."""

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
        """Forget one batch; return how many keys it was."""
        try:
            return await self._store.forget(self._clock.now_ms())
        except StoreUnavailable:
            return 0  # others say so; a key that lives longer does no harm
