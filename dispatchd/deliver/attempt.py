"""One attempt at one delivery: evaluate, compose, send, judge. It ends in a result, always."""

import asyncio
from typing import Final, NamedTuple

from dispatchd.deliver.spec import LaneSpec
from dispatchd.deliver.tools import LaneTools
from dispatchd.evaluate.evaluator import Fault, NoResult, Value
from dispatchd.facts import InternalError
from dispatchd.match import bindings_json
from dispatchd.model import (
    Attempt,
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
from dispatchd.retry import decide, given_up
from dispatchd.verify import HASH_HERE_MAX_BYTES, document_json, is_form

READ_HERE_MAX_BYTES: Final = 64 * 1024


class Attempts:
    """Makes the attempts of one lane, by one spec: a new config's lane makes others."""

    __slots__ = ("_clock", "_evaluator", "_roll", "_sender", "_spec", "_tell")

    def __init__(self, spec: LaneSpec, tools: LaneTools) -> None:
        self._spec = spec
        self._sender = tools.sender
        self._evaluator = tools.evaluator
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
        number = delivery.attempts + 1
        verdict = decide(
            self._spec.policy,
            judged,
            number - delivery.attempts_before,
            self._clock.now_ms(),
            self._roll(),
            made=number,
            probe=probe,
        )
        return attempt, judged, verdict

    async def _exchange(self, delivery: Delivery, event: Event, started_ms: int) -> "_Tried":
        spec = self._spec
        content: bytes | None = None
        note: str | None = None
        if delivery.as_sent is not None:
            content, note = delivery.as_sent.body, "as it was sent before"
        elif spec.transforms:
            link = spec.transforms.get(event.endpoint)
            if link is not None:
                document = await _document(event)
                names = (
                    bindings_json(event.event_type, event.headers, event.endpoint)
                    if link.bound
                    else None
                )
                match await self._evaluator.evaluate(
                    link.expression, document, owner=link.owner, bindings=names
                ):
                    case Value(json=content):
                        note = "applied"
                    case NoResult(reason=reason) if link.on_error == "fail":
                        return _not_sent(ErrorClass.TRANSFORM, Whose.CONTENT, reason)
                    case NoResult(reason=reason):
                        note = f"failed, original sent: {reason}"
                    case Fault(reason=reason):
                        return _not_sent(ErrorClass.EVALUATOR, Whose.OURS, reason)
        compose = spec.courier.compose
        if spec.signs and len(event.body if content is None else content) > HASH_HERE_MAX_BYTES:
            request = await asyncio.to_thread(compose, event, delivery, content, started_ms)
        else:
            request = compose(event, delivery, content, started_ms)
        outcome = await self._sender.send(request)
        judged = spec.courier.judge(outcome, self._clock.now_ms())
        if spec.policy.give_up_on:
            judged = given_up(spec.policy, judged, outcome.status)
        return _Tried(outcome, judged, note, content)

    def _attempt(
        self, delivery: Delivery, event: Event, started_ms: int, tried: "_Tried"
    ) -> Attempt:
        outcome, judged, note, content = tried
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
            response_head=b"" if reply is None else redactor.head(reply.head),
            transform=note,
            sent=content,
        )


async def _document(event: Event) -> bytes:
    """Return what expressions see of an event; a large form is read beside the loop."""
    if len(event.body) > READ_HERE_MAX_BYTES and is_form(event.content_type):
        return await asyncio.to_thread(document_json, event.body, event.content_type)
    return document_json(event.body, event.content_type)


class _Tried(NamedTuple):
    """What came of an exchange, what it means, and what is to be said of the transform.

    `content` is what was sent in place of the event's body, if anything was.
    """

    outcome: Outcome
    judged: Judged
    note: str | None
    content: bytes | None = None


def _not_sent(error: ErrorClass, whose: Whose, reason: str) -> _Tried:
    return _Tried(Failure(error, reason, 0.0), Failed(error, whose), f"failed: {reason}")


def bare_attempt(delivery: Delivery, started_ms: int, failure: Failure) -> Attempt:
    """Return an attempt that holds nothing but our own words: it can always be kept."""
    return Attempt(
        event_id=delivery.event_id,
        destination=delivery.destination,
        number=delivery.attempts + 1,
        started_ms=started_ms,
        latency_ms=failure.latency_ms,
        status_code=failure.status,
        error=failure.error,
        message=failure.message,
        response_headers=(),
        response_head=b"",
        transform=None,
    )
