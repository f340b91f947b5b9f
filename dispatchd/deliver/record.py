"""Keeping the results of attempts: until one is on disk its delivery is not sent again."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from dispatchd.clock import Clock, monotonic_of
from dispatchd.deliver.attempt import bare_attempt
from dispatchd.errors import StoreUnavailable
from dispatchd.facts import AttemptEnded, InternalError, Tell
from dispatchd.model import Attempt, Delivery, ErrorClass, Event, Failure, RetryAt, Verdict
from dispatchd.store.base import Schedule
from dispatchd.store.health import StoreHealth

# A result that cannot be kept in any form is a defect of ours. Its delivery is released after
# this long, so that it neither waits for a restart nor goes round and round.
QUARANTINE_S: Final = 300.0

Settled = Callable[[Event, Verdict], None]


class Recorder:
    """Writes one lane's results, however long the store is in trouble.

    `settled` is told of each that is on disk (or given up); `waiting` counts the others, and
    `unwritten` those of them that the store did not take: until it has, nothing is to be sent,
    whatever else it takes.
    """

    def __init__(
        self, store: Schedule, health: StoreHealth, clock: Clock, tell: Tell, settled: Settled
    ) -> None:
        self._store = store
        self._health = health
        self._clock = clock
        self._tell = tell
        self._settled = settled
        self._troubles: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self.waiting = 0
        self.unwritten = 0

    def record(
        self,
        delivery: Delivery,
        event: Event,
        attempt: Attempt,
        verdict: Verdict,
        *,
        patient: bool = False,
    ) -> None:
        """Keep a result; returns at once. A `patient` one may wait a moment for an event."""
        self.waiting += 1
        due_s = monotonic_of(self._clock, verdict.due_ms) if isinstance(verdict, RetryAt) else 0.0
        written = self._store.record(delivery, attempt, verdict, patient=patient)
        written.add_done_callback(
            partial(self._written, delivery, event, attempt, verdict, due_s=due_s)
        )

    async def drained(self, deadline_s: float) -> None:
        """Return when every result is on disk, or after `deadline_s`."""
        if self.waiting:
            self._idle.clear()
            try:
                async with asyncio.timeout(deadline_s):
                    await self._idle.wait()
            except TimeoutError:
                pass  # what is not on disk will be sent again: at least once
        for task in self._troubles:
            task.cancel()
        await asyncio.gather(*self._troubles, return_exceptions=True)

    def _written(
        self,
        delivery: Delivery,
        event: Event,
        attempt: Attempt,
        verdict: Verdict,
        written: "asyncio.Future[None]",
        *,
        due_s: float,
    ) -> None:
        error = None if written.cancelled() else written.exception()
        if error is None:
            self._health.worked()
            self._tell(AttemptEnded(event, attempt, verdict))
            self._done(event, verdict)
            return
        self.unwritten += 1
        trouble = asyncio.create_task(
            self._in_trouble(error, delivery, event, attempt, verdict, due_s=due_s), name="record"
        )
        self._troubles.add(trouble)
        trouble.add_done_callback(self._troubles.discard)

    async def _in_trouble(
        self,
        error: BaseException,
        delivery: Delivery,
        event: Event,
        attempt: Attempt,
        verdict: Verdict,
        *,
        due_s: float,
    ) -> None:
        """Try until the result is written; one that is itself at fault is written bare."""
        while True:
            if isinstance(error, StoreUnavailable):
                self._health.failed(error)
                if error.reason == "closed":
                    return  # it will be sent again after the restart
                await self._health.wait_until_good()
            elif attempt.error is ErrorClass.INTERNAL:  # bare already
                self.unwritten -= 1
                await self._quarantine(error, delivery)
                break
            else:
                self._tell(InternalError(_why(attempt, error), delivery.destination, event.id))
                words = "the result of this attempt could not be kept as it was"
                failure = Failure(ErrorClass.INTERNAL, words, attempt.latency_ms)
                attempt = bare_attempt(delivery, attempt.started_ms, failure)
            if isinstance(verdict, RetryAt):  # the wall clock may have been set meanwhile
                wait_ms = round((due_s - self._clock.monotonic_s()) * 1000)
                verdict = replace(verdict, due_ms=self._clock.now_ms() + wait_ms)
            try:
                await self._store.record(delivery, attempt, verdict)
            except Exception as again:  # noqa: BLE001 - whatever it is, the delivery is in hand
                error = again
            else:
                self.unwritten -= 1
                self._health.worked()
                self._tell(AttemptEnded(event, attempt, verdict))
                break
        self._done(event, verdict)

    async def _quarantine(self, error: BaseException, delivery: Delivery) -> None:
        why = f"a result cannot be kept, and is tried again in {QUARANTINE_S:g} s: {error!r}"
        self._tell(InternalError(why, delivery.destination, delivery.event_id))
        await self._clock.wait(asyncio.Event(), QUARANTINE_S)
        self._store.release(delivery)

    def _done(self, event: Event, verdict: Verdict) -> None:
        self.waiting -= 1
        if self.waiting == 0:
            self._idle.set()
        self._settled(event, verdict)


def _why(attempt: Attempt, error: BaseException) -> str:
    return f"the result of attempt {attempt.number} cannot be kept: {error}"
