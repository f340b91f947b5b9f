"""Alerts over the life of a daemon: what a config asks to be told, then what the next one asks."""

import asyncio
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from dispatchd.clock import Clock
from dispatchd.errors import StoreUnavailable
from dispatchd.facts import Fact
from dispatchd.log import Log
from dispatchd.plan import Plan
from dispatchd.store import Store
from dispatchd.store.health import StoreHealth

if TYPE_CHECKING:
    from dispatchd.alert.alerting import Alerting
    from dispatchd.alert.watch import AlertWatch


class Alarms:
    """Tells what the plan's alerts want told. `start`, then `run` as a duty, then `stop`."""

    def __init__(self, store: Store, health: StoreHealth, clock: Clock, log: Log) -> None:
        self._store = store
        self._health = health
        self._clock = clock
        self._log = log
        self._watch: AlertWatch | None = None  # where the config wants to be told
        self._alerting: Alerting | None = None
        self._look: Callable[[Collection[str]], None] = lambda _names: None
        self._lanes: Collection[str] = ()
        self._renewed = asyncio.Event()
        self._failing: StoreUnavailable | None = None

    def tell(self, fact: Fact) -> None:
        """Hear a fact."""
        if self._watch is not None:
            self._watch.tell(fact)

    def storage(self, error: StoreUnavailable | None) -> None:
        """Hear that the store failed, or with None that it works again."""
        self._failing = error
        if self._watch is not None:
            self._watch.storage(error)

    def want(self, plan: Plan, gone: Collection[str]) -> None:
        """Tell what `plan` wants told from here on; `gone` are lanes that it no longer has."""
        self._plan = plan
        self._lanes = [*plan.lanes, *gone]
        self._watch = None
        if plan.alerts:
            from dispatchd.alert.watch import AlertWatch  # noqa: PLC0415 - only where it is used

            self._watch = AlertWatch(plan.alerts, self._clock)
            if self._failing is not None:  # it hears of the end alone
                self._watch.storage(self._failing)
        if self._alerting is not None:
            self._alerting.end()
        self._renewed.set()

    async def start(self, look: Callable[[Collection[str]], None], kept_ms: int) -> None:
        """Take up what earlier runs told; `look` hears where there is a delivery.

        `kept_ms` is the wall clock as the last run kept it, 0 where none did. Call it after
        `want`, and before anything may fail. Raises StoreUnavailable.
        """
        self._look = look
        await self._take_up(kept_ms)

    async def run(self) -> None:
        """Tell until stopped, by whatever plan is wanted."""
        while True:
            if self._alerting is None:
                await self._renewed.wait()
            else:
                await self._alerting.run()
            try:
                await self._take_up()
            except StoreUnavailable as error:
                self._health.failed(error)
                self._alerting = None
                self._renewed.set()
                await self._health.wait_until_good()

    async def stop(self) -> None:
        """Look a last time: what is known now is told by the next run, or kept for it."""
        if self._alerting is not None:
            await self._alerting.stop()

    async def _take_up(self, kept_ms: int = 0) -> None:
        self._renewed.clear()
        self._alerting = None
        if self._watch is None:
            if notes := await self._store.alert_notes():  # of a config that had some
                await self._store.keep_alert_notes((), notes)
            return
        from dispatchd.alert.alerting import Alerting  # noqa: PLC0415 - only where it is used

        alerting = Alerting(
            self._plan.alerts,
            self._watch,
            self._store,
            health=self._health,
            clock=self._clock,
            log=self._log,
            look=self._look,
        )
        self._alerting = alerting  # before it starts: it may be ended meanwhile
        await alerting.start(self._lanes, self._plan.routes, kept_ms)
