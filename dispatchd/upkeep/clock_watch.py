"""The wall clock: when it is set back, no retry is postponed by as much, across restarts too."""

import asyncio
from collections.abc import Callable
from typing import Final

from dispatchd.clock import Clock
from dispatchd.errors import StoreUnavailable
from dispatchd.log import Log
from dispatchd.store import Store
from dispatchd.store.health import StoreHealth

TICK_S: Final = 1.0
JUMP_MS: Final = 2000  # below this, NTP slews and scheduling noise
KEEP_EVERY_S: Final = 60.0  # a clock set back while the daemon is down is known this exactly


class ClockWatch:
    """Compares the wall clock with one that never jumps, and keeps it for the next start.

    What the clock was set back by stays pending until the store has kept it. The store keeps it
    with the clock, in one transaction: it is never counted twice, and a crash before is seen
    as a jump at the next start.
    """

    def __init__(
        self,
        store: Store,
        health: StoreHealth,
        clock: Clock,
        log: Log,
        jumped: Callable[[], None],
    ) -> None:
        """`jumped` is told after each jump: what was due in an hour may be due now."""
        self._store = store
        self._health = health
        self._clock = clock
        self._log = log
        self._tell_jumped = jumped
        self._pending_ms = 0
        self._in_doubt = False
        self._kept_s: float | None = None
        self._wall_ms = clock.now_ms()
        self._steady_s = clock.monotonic_s()

    async def start(self) -> None:
        """Compare with the clock as the last run kept it. Raises StoreUnavailable."""
        back_ms = await self._store.kept_time() - self._clock.now_ms()
        if back_ms >= JUMP_MS:
            self._jumped(-back_ms, while_down=True)
        await self.keep()

    async def run(self) -> None:
        """Watch, every second."""
        never = asyncio.Event()
        while True:
            await self.step()
            await self._clock.wait(never, TICK_S)

    async def step(self) -> None:
        """Look once; write only what the clock was set back by, and the clock now and then."""
        now_ms, now_s = self._clock.now_ms(), self._clock.monotonic_s()
        jump_ms = now_ms - self._wall_ms - round((now_s - self._steady_s) * 1000)
        self._wall_ms, self._steady_s = now_ms, now_s
        if abs(jump_ms) >= JUMP_MS:
            self._jumped(jump_ms, while_down=False)
        jumped = abs(jump_ms) >= JUMP_MS or self._pending_ms > 0
        if jumped or self._kept_s is None or now_s - self._kept_s >= KEEP_EVERY_S:
            await self.keep()
        if jumped:
            self._tell_jumped()

    async def keep(self) -> None:
        """Write the clock and what is pending; in vain, it stays pending."""
        if self._in_doubt:
            return  # the next start knows by the clock as it was kept
        pending_ms = self._pending_ms
        try:
            await self._store.keep_time(self._wall_ms, pending_ms)
        except StoreUnavailable as error:
            self._health.failed(error)
            return
        except asyncio.CancelledError:
            self._in_doubt = True  # it may be written all the same: not to be counted again
            raise
        self._pending_ms -= pending_ms
        self._kept_s = self._clock.monotonic_s()

    def _jumped(self, jump_ms: int, *, while_down: bool) -> None:
        # Forward again before it was written: there is that much less to make up for.
        self._pending_ms = max(self._pending_ms - jump_ms, 0)
        self._log.warning("clock_jump", jump_ms=jump_ms, while_down=while_down)
