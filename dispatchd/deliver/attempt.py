"""One attempt at one delivery: evaluate, compose, send, judge. It ends in a result, always."""

import asyncio
from dataclasses import replace
from typing import NamedTuple

from dispatchd.compose import Fills, Speaks
from dispatchd.deliver.content import Content, Contents, Unsent
from dispatchd.deliver.spec import LaneSpec
from dispatchd.deliver.tools import LaneTools
from dispatchd.facts import InternalError
from dispatchd.model import (
    Attempt,
    Carried,
    Delivery,
    ErrorClass,
    Event,
    Failed,
    Failure,
    Judged,
    Outcome,
    Reply,
    Verdict,
    Whose,
)
from dispatchd.redact import header_secrets
from dispatchd.retry import RetryPolicy, decide, given_up
from dispatchd.verify import HASH_HERE_MAX_BYTES


class Attempts:
    """Makes the attempts of one lane, by one spec: a new config's lane makes others."""

    __slots__ = ("_clock", "_contents", "_courier", "_roll", "_sender", "_spec", "_tell")

    def __init__(self, spec: LaneSpec, tools: LaneTools) -> None:
        if spec.courier is None:
            raise TypeError(f"nothing is sent to {spec.destination}")
        self._spec = spec
        self._courier = spec.courier
        self._sender = tools.sender
        self._contents = Contents(spec, tools.evaluator)
        self._clock = tools.clock
        self._roll = tools.roll
        self._tell = tools.tell

    async def make(
        self, delivery: Delivery, event: Event, *, probe: bool = False
    ) -> tuple[Attempt, Judged, Verdict]:
        """Make the next attempt. Whatever goes wrong in here is a failed attempt, told as ours.

        `probe`: the lane is held, and finds out whether it still has to be.
        """
        started_ms = self._clock.now_ms()
        try:
            tried = await self._exchange(delivery, event, started_ms)
            judged = tried.judged
            attempt = self._attempt(delivery, event, started_ms, tried)
        except Exception as error:  # noqa: BLE001 - our own fault must not strand the delivery
            self._tell(InternalError(repr(error), delivery.destination, delivery.event_id))
            judged = Failed(ErrorClass.INTERNAL, Whose.OURS)
            failure = Failure(ErrorClass.INTERNAL, type(error).__name__, 0.0)
            attempt = bare_attempt(delivery, started_ms, failure)
        now_ms = self._clock.now_ms()
        verdict = verdict_on(self._spec.policy, delivery, judged, now_ms, self._roll(), probe=probe)
        return attempt, judged, verdict

    async def _exchange(self, delivery: Delivery, event: Event, started_ms: int) -> "_Tried":
        spec = self._spec
        made = await self._contents.make(delivery, event)
        if isinstance(made, Unsent):
            failed = Failed(made.error, made.whose)
            return _Tried(Failure(made.error, made.reason, 0.0), failed, made.content)
        body = event.body if made.body is None else made.body
        if spec.signs and len(body) > HASH_HERE_MAX_BYTES:
            carried = await asyncio.to_thread(self._composed, delivery, event, made, started_ms)
        else:
            carried = self._composed(delivery, event, made, started_ms)
        outcome = await self._sender.send(carried)
        judged = self._courier.judge(outcome, self._clock.now_ms())
        if spec.policy.give_up_on:
            judged = given_up(spec.policy, judged, outcome.status)
        return _Tried(outcome, judged, made)

    def _composed(
        self, delivery: Delivery, event: Event, content: Content, started_ms: int
    ) -> Carried:
        courier = self._courier
        if content.said is not None and isinstance(courier, Speaks):
            return courier.compose_said(event, delivery, content.said, started_ms)
        if content.filled is not None and isinstance(courier, Fills):
            return courier.compose_filled(event, delivery, content.body, content.filled)
        return courier.compose(event, delivery, content.body, started_ms)

    def _attempt(
        self, delivery: Delivery, event: Event, started_ms: int, tried: "_Tried"
    ) -> Attempt:
        outcome, judged, content = tried
        reply = outcome if isinstance(outcome, Reply) else None
        redactor = self._spec.redactor
        if event.forward_headers:  # what proves the sender is ours to keep, whoever echoes it
            redactor = redactor.also(header_secrets(event.forward_headers))
        return Attempt(
            event_id=delivery.event_id,
            destination=delivery.destination,
            number=delivery.attempts + 1,
            started_ms=started_ms,
            latency_ms=outcome.latency_ms,
            status_code=outcome.status,
            error=judged.error if isinstance(judged, Failed) else None,
            message=redactor.text(outcome.message) if isinstance(outcome, Failure) else None,
            response_headers=() if reply is None else redactor.headers(reply.headers),
            response_head=redactor.head(outcome.head),
            transform=content.transform,
            sent=None if content.sent is None else content.sent.body,
            sent_variant=None if content.sent is None else content.sent.variant,
            template=content.template,
            rule=content.rule,
        )


class _Tried(NamedTuple):
    """What came of an exchange, what it means, and what was to be sent."""

    outcome: Outcome
    judged: Judged
    content: Content


def verdict_on(
    policy: RetryPolicy,
    delivery: Delivery,
    judged: Judged,
    now_ms: int,
    roll: float,
    *,
    probe: bool = False,
) -> Verdict:
    """Decide what becomes of a delivery whose next attempt ended so; the rest is as in `decide`."""
    made = delivery.attempts + 1
    of_this_run = made - delivery.attempts_before
    return decide(policy, judged, of_this_run, now_ms, roll, made=made, probe=probe)


def bare_attempt(delivery: Delivery, started_ms: int, failure: Failure) -> Attempt:
    """Return an attempt that holds nothing but our own words: it can always be kept."""
    attempt = unanswered(delivery, started_ms, failure.latency_ms, failure.error, failure.message)
    return replace(attempt, status_code=failure.status)


def unanswered(
    delivery: Delivery,
    started_ms: int,
    latency_ms: float,
    error: ErrorClass | None,
    message: str | None,
    *,
    transform: str | None = None,
) -> Attempt:
    """Return the next attempt at a delivery, one that no destination answers."""
    return Attempt(
        event_id=delivery.event_id,
        destination=delivery.destination,
        number=delivery.attempts + 1,
        started_ms=started_ms,
        latency_ms=latency_ms,
        status_code=None,
        error=error,
        message=message,
        response_headers=(),
        response_head=b"",
        transform=transform,
        rule=delivery.rule,
    )
