"""systemd's watchdog is fed for as long as the store answers."""

import asyncio

from dispatchd.clock import Clock
from dispatchd.systemd import Notifier
from dispatchd.upkeep.probe import Probe


class Watchdog:
    """Feeds the watchdog, after a ping of the store.

    Also with the store in trouble: a restart mends no full disk. Only a ping that never returns
    starves the watchdog.
    """

    def __init__(self, notifier: Notifier, probe: Probe, clock: Clock) -> None:
        self._notifier = notifier
        self._probe = probe
        self._clock = clock

    async def run(self) -> None:
        """Feed it for ever; without a watchdog there is nothing to do."""
        never = asyncio.Event()
        interval_s = self._notifier.watchdog_interval_s
        while interval_s is not None:
            await self._probe.ping()
            self._notifier.alive()
            await self._clock.wait(never, interval_s)
