"""Housekeeping over the life of a daemon: as its config says, then as the next one does."""

from collections.abc import Callable, Coroutine
from typing import Any

from dispatchd.clock import Clock
from dispatchd.facts import Tell
from dispatchd.plan import Plan
from dispatchd.store import Store
from dispatchd.store.health import StoreHealth
from dispatchd.upkeep.disk_watch import DiskWatch
from dispatchd.upkeep.forgetting import Forgetting
from dispatchd.upkeep.retention import HistoryRetention


class Housekeeping:
    """Keeps the database in shape."""

    def __init__(
        self, plan: Plan, store: Store, health: StoreHealth, clock: Clock, tell: Tell
    ) -> None:
        self._retention = HistoryRetention(plan.storage, store, clock, tell)
        self._disk = DiskWatch(plan.storage, store, health, clock, tell)
        self._forgetting = Forgetting(store, clock)

    @classmethod
    async def start(
        cls,
        plan: Plan,
        store: Store,
        health: StoreHealth,
        clock: Clock,
        *,
        tell: Tell,
        duty: Callable[[str, Coroutine[Any, Any, None]], None],
    ) -> "Housekeeping":
        """Look at the disk, then go on by duties. Call it before webhooks are taken."""
        keeping = cls(plan, store, health, clock, tell)
        await keeping._disk.look()
        duty("disk watch", keeping._disk.run())
        duty("forgetting", keeping._forgetting.run())
        duty("retention", keeping._retention.run())
        return keeping

    def follow(self, plan: Plan) -> None:
        """Keep to another plan from here on."""
        self._retention.want(plan.storage)
        self._disk.want(plan.storage)
