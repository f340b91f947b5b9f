"""Why lanes are held: what a lane says goes to the store, what the store has to the lanes.

So a breaker stays open over a restart, and people pause and resume with a daemon or without.
One duty does both for all lanes, one after the other: so what it reads is never older than what
a lane has said, and the lanes need no question of their own.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from dispatchd.clock import Clock
from dispatchd.errors import StoreUnavailable
from dispatchd.model import Hold, HoldKind, LaneState
from dispatchd.store.base import Schedule
from dispatchd.store.health import StoreHealth

AGAIN_S: Final = 1.0  # after a write or a read that the store refused


class Holds:
    """Keeps holds. `apply` is handed what the store has whenever that may be news."""

    def __init__(
        self,
        store: Schedule,
        health: StoreHealth,
        clock: Clock,
        apply: Callable[[Mapping[str, LaneState]], None],
    ) -> None:
        self._store = store
        self._health = health
        self._clock = clock
        self._apply = apply
        self._wanted: dict[tuple[str, HoldKind], Hold | None] = {}
        self._unread = True
        self._wake = asyncio.Event()
        self._wake.set()
        self._written = asyncio.Event()
        self._written.set()

    def want(self, destination: str, kind: HoldKind, hold: Hold | None) -> None:
        """Keep that a lane is held for `hold`, or with None that it no longer is for `kind`."""
        self._wanted[destination, kind] = hold
        self._written.clear()
        self._wake.set()

    async def kept(self) -> None:
        """Return when everything wanted so far is on disk."""
        await self._written.wait()

    def look(self) -> None:
        """Read soon what the store has: somebody may have paused or resumed a lane."""
        self._unread = True
        self._wake.set()

    async def run(self) -> None:
        """Write and read until the store is closed. Whatever else is raised is a surprise."""
        never = asyncio.Event()
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._write()
                if self._unread:
                    await self._read()
            except StoreUnavailable as error:
                if error.reason == "closed":
                    return
                self._health.failed(error)
                self._wake.set()
                await self._clock.wait(never, AGAIN_S)
                await self._health.wait_until_good()

    async def _write(self) -> None:
        while self._wanted:
            (destination, kind), hold = key, _ = next(iter(self._wanted.items()))
            if hold is None:
                await self._store.open_lane(destination, kind)
            else:
                since_ms = hold.since_ms or 0
                await self._store.hold_lane(destination, kind, hold.reason, since_ms)
            if self._wanted[key] is hold:
                del self._wanted[key]
        self._written.set()

    async def _read(self) -> None:
        self._unread = False  # before reading, never after: what changes meanwhile is read again
        try:
            states = await self._store.lane_states()
        except StoreUnavailable:
            self._unread = True
            raise
        if self._wanted:  # a lane said something meanwhile, which this does not show
            self.look()
            return
        self._apply(states)
