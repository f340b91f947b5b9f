"""The facts that no store keeps, counted until the next look: a watcher, and cheap."""

import asyncio
from collections import Counter
from collections.abc import Iterable

from dispatchd.alert.spec import AlertSpec
from dispatchd.clock import Clock
from dispatchd.errors import StoreUnavailable
from dispatchd.facts import AttemptEnded, Fact, LaneChanged, WebhookAnswered
from dispatchd.limits import Limiter, Rate
from dispatchd.model import Dead

UNPROVEN = 401


class AlertWatch:
    """Hears facts. `wake` is set by those that the store has counted.

    `refused` are by rate the webhooks of each endpoint that were refused beyond it, `heard` is
    when (Unix ms) an endpoint that must not be quiet last sent; `faults` counts how often storage
    failed and works again, `fault` is the last one.
    """

    def __init__(self, specs: Iterable[AlertSpec], clock: Clock) -> None:
        self._clock = clock
        self._limiters = {spec.refused: Limiter(spec.refused) for spec in specs}
        self._failing: StoreUnavailable | None = None
        self.refused: dict[Rate, Counter[str]] = {rate: Counter() for rate in self._limiters}
        self.heard: dict[str, int] = {slug: 0 for spec in specs for slug in spec.quiet_ms}
        self.faults = 0
        self.fault: StoreUnavailable | None = None
        self.wake = asyncio.Event()

    def tell(self, fact: Fact) -> None:
        """Hear a fact."""
        match fact:
            case WebhookAnswered(status=status, endpoint=endpoint, event=event):
                if status == UNPROVEN:
                    self._refused(endpoint)
                elif event is not None and fact.error is None and endpoint in self.heard:
                    self.heard[endpoint] = event.received_ms  # lower once the clock was set back
            case AttemptEnded(verdict=Dead()) | LaneChanged():
                self.wake.set()

    def _refused(self, endpoint: str) -> None:
        now_s = self._clock.monotonic_s()
        for rate, limiter in self._limiters.items():
            if limiter.take(endpoint, now_s) > 0:
                self.refused[rate][endpoint] += 1  # without a wake: a sender must not set our pace

    def storage(self, error: StoreUnavailable | None) -> None:
        """Hear that the store failed, or with None that it works again: then it can be told."""
        if error is not None:
            self._failing = error
        elif self._failing is not None:
            self.faults += 1
            self.fault, self._failing = self._failing, None
            self.wake.set()
