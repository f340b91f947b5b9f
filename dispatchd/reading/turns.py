"""One at a time, and whoever waits has a turn before anyone has two: not by arrival alone."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """A lock whose owners take turns; each owner's own wait in order of arrival."""

    __slots__ = ("_waiting", "taken")

    def __init__(self) -> None:
        self.taken = False
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def turn(self, owner: str, wait_s: float) -> AsyncIterator[None]:
        """Have a turn. Raises TimeoutError where it does not come within `wait_s`."""
        await self._take(owner, wait_s)
        try:
            yield
        finally:
            self._pass_on()

    async def _take(self, owner: str, wait_s: float) -> None:
        if not self.taken:
            self.taken = True
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(mine)
        try:
            async with asyncio.timeout(wait_s):
                await mine
        except BaseException:
            if mine.done() and not mine.cancelled():
                self._pass_on()  # it came at the moment of giving up
            else:
                self._forget(owner, mine)
            raise

    def _forget(self, owner: str, mine: asyncio.Future[None]) -> None:
        waiting = self._waiting[owner]
        waiting.remove(mine)
        if not waiting:
            del self._waiting[owner]

    def _pass_on(self) -> None:
        """Give the turn to the owner that has waited longest since its last."""
        if not self._waiting:
            self.taken = False
            return
        owner, waiting = self._waiting.popitem(last=False)
        waiting.popleft().set_result(None)
        if waiting:
            self._waiting[owner] = waiting  # at the end
