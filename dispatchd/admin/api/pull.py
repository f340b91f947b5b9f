"""Pull queues: consumers claim what is owed, and say what came of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NotRequired, TypedDict, cast

import orjson

from dispatchd.admin.api.operation import Asked, Handle, Operation, text
from dispatchd.admin.api.writing import Spelled
from dispatchd.admin.parts import AdminParts
from dispatchd.admin.problems import FlawFields, Problem, not_found
from dispatchd.durations import duration_ms
from dispatchd.frozen import frozen
from dispatchd.model import Delivered, DeliveryStatus, RetryAt
from dispatchd.shapes.spelling import bytes_field, iso

if TYPE_CHECKING:
    from dispatchd.deliver.answers import Leased
    from dispatchd.deliver.pull import PullLane
    from dispatchd.model import Verdict
    from dispatchd.store.leases import Lease

CLAIM_MAX: Final = 100  # deliveries
REASON_MAX_CHARS: Final = 1000
POLLS_MAX: Final = 128  # claims that wait, over all queues
JSON: Final = "application/json"
Flaws = list[FlawFields]


@frozen
class Span:
    """A duration in a body: what it is where it is not given, and its bounds, in ms."""

    name: str
    default_ms: int
    least_ms: int
    most_ms: int

    def of(self, body: dict[str, Any], flaws: Flaws) -> int:
        """Return it in ms; a flaw is added where it is none, or out of bounds."""
        if self.name not in body:
            return self.default_ms
        try:
            span_ms = duration_ms(body[self.name])
        except ValueError as error:
            flaws.append({"name": self.name, "message": str(error)})
            return self.default_ms
        if not self.least_ms <= span_ms <= self.most_ms:
            message = f"must be from {self.least_ms // 1000}s to {self.most_ms // 1000}s"
            flaws.append({"name": self.name, "message": message})
        return span_ms


LEASE: Final = Span("lease", 60_000, 1000, 12 * 3600 * 1000)
WAIT: Final = Span("wait", 0, 0, 60_000)
DELAY: Final = Span("delay", 0, 0, 24 * 3600 * 1000)  # at most as a `Retry-After`
_QUEUE: Final = text("queue", "The queue's name.", most_chars=128)


class ClaimFields(TypedDict):
    """What to claim: at most `max` deliveries (1 to 100, 1 unless given).

    `lease` is for how long they are claimed, 1s to 12h, 1m unless given; `wait` how long to wait
    for the first where none is due, up to 1m.
    """

    max: NotRequired[int]
    lease: NotRequired[str]
    wait: NotRequired[str]


class AckFields(TypedDict):
    """Which delivery is done."""

    lease_id: str


class NackFields(TypedDict):
    """Which delivery could not be done, and why, in at most 1000 characters.

    It is handed out again when a failed attempt is made again anywhere, and not before `delay` (up
    to 24h) has passed.
    """

    lease_id: str
    reason: NotRequired[str]
    delay: NotRequired[str]


class ExtendFields(TypedDict):
    """Which lease is to run for how long from now, 1s to 12h, 1m unless given."""

    lease_id: str
    lease: NotRequired[str]


class LeasedFields(TypedDict):
    """A delivery that is yours until `leased_until`.

    The body is what a destination of type webhook would be sent: where `transform` is `applied`
    its result, else the event's own, byte for byte. One that is no UTF-8 is in `body_base64`.
    """

    lease_id: str
    leased_until: str
    event_id: str
    endpoint: str
    endpoint_id: str
    event_type: str | None
    received: str
    attempt: int
    transform: str | None
    headers: list[list[str]]
    content_type: str
    body: NotRequired[str]
    body_base64: NotRequired[str]


class ClaimedFields(TypedDict):
    """What was claimed, the longest due first; none where nothing became due in time."""

    items: list[LeasedFields]


class LeaseEndedFields(TypedDict):
    """What an attempt means for its delivery; `due` is null where there will be no other."""

    event_id: str
    attempt: int
    status: str
    due: str | None


class LeaseExtendedFields(TypedDict):
    """A lease, and when it runs out."""

    lease_id: str
    event_id: str
    leased_until: str


async def claim_deliveries(parts: AdminParts, asked: Asked) -> Spelled:
    """Claim what is due, or wait for it."""
    queue = _queue(parts, asked)
    body = asked.body
    flaws: Flaws = []
    most = int(body.get("max", 1))
    if not 1 <= most <= CLAIM_MAX:
        flaws.append({"name": "max", "message": f"must be from 1 to {CLAIM_MAX}"})
    lease_ms = LEASE.of(body, flaws)
    wait_ms = WAIT.of(body, flaws)
    _refuse(flaws)
    share = queue.answers.share()
    try:
        with _poll(parts, wait_ms):
            leased = await queue.claim(most, lease_ms, wait_ms / 1000, asked.gone, share)
        body = b"" if leased is None else _spelled(leased)
        share.becomes(len(body))
    except BaseException:
        share.give_back()
        raise
    if not body:
        words = "answers that are not read yet take all the room that there is; try again later"
        raise Problem(503, "too_many_answers", words, headers={"Retry-After": "1"})
    return Spelled(body, share.give_back)


def _spelled(leased: "list[Leased]") -> bytes:
    """Return the answer, and empty `leased`: no body is kept beside what is made of it."""
    leased.reverse()
    claimed: ClaimedFields = {"items": []}
    while leased:
        claimed["items"].append(_leased_fields(leased.pop()))
    return orjson.dumps(claimed)


async def ack_delivery(parts: AdminParts, asked: Asked) -> LeaseEndedFields:
    """Hear that a delivery is done."""
    queue, lease_id = _queue(parts, asked), asked.body["lease_id"]
    return _ended_fields(await queue.ends.ack(lease_id))


async def nack_delivery(parts: AdminParts, asked: Asked) -> LeaseEndedFields:
    """Hear that a delivery could not be done."""
    queue, body = _queue(parts, asked), asked.body
    flaws: Flaws = []
    delay_ms = DELAY.of(body, flaws)
    reason = body.get("reason")
    if reason is not None and len(reason) > REASON_MAX_CHARS:
        flaws.append({"name": "reason", "message": f"has more than {REASON_MAX_CHARS} characters"})
    _refuse(flaws)
    return _ended_fields(await queue.ends.nack(body["lease_id"], reason or None, delay_ms))


async def extend_lease(parts: AdminParts, asked: Asked) -> LeaseExtendedFields:
    """Have a lease run for longer."""
    queue, body = _queue(parts, asked), asked.body
    flaws: Flaws = []
    lease_ms = LEASE.of(body, flaws)
    _refuse(flaws)
    extended = await queue.ends.extend(body["lease_id"], lease_ms)
    if extended is None:
        raise _gone()
    return {
        "lease_id": body["lease_id"],
        "event_id": extended.event_id,
        "leased_until": iso(extended.until_ms),
    }


@contextmanager
def _poll(parts: AdminParts, wait_ms: int) -> Iterator[None]:
    """Count a claim that waits. Raises Problem where there are enough."""
    if wait_ms and parts.polls >= POLLS_MAX:
        words = f"{POLLS_MAX} claims wait already; try again later, or with no wait"
        raise Problem(429, "too_many_polls", words, headers={"Retry-After": "1"})
    parts.polls += bool(wait_ms)
    try:
        yield
    finally:
        parts.polls -= bool(wait_ms)


def _queue(parts: AdminParts, asked: Asked) -> "PullLane":
    name = asked.given["queue"]
    queue = parts.queue(name)
    if queue is None:
        raise not_found(f"queue {name!r}")
    return queue


def _refuse(flaws: Flaws) -> None:
    if flaws:
        raise Problem(400, "invalid", "the request cannot be done as it is", errors=flaws)


def _leased_fields(leased: "Leased") -> LeasedFields:
    event, content = leased.event, leased.content
    body = event.body if content.body is None else content.body
    fields: dict[str, Any] = {
        "lease_id": leased.lease_id,
        "leased_until": iso(leased.until_ms),
        "event_id": event.id,
        "endpoint": event.endpoint,
        "endpoint_id": event.endpoint_id,
        "event_type": event.event_type,
        "received": iso(event.received_ms),
        "attempt": leased.delivery.attempts + 1,
        "transform": content.transform,
        "headers": [list(pair) for pair in event.headers],
        "content_type": event.content_type if content.body is None else JSON,
        **bytes_field("body", body),
    }
    return cast("LeasedFields", fields)


def _ended_fields(ended: "tuple[Lease, Verdict] | None") -> LeaseEndedFields:
    if ended is None:
        raise _gone()
    lease, verdict = ended
    status = DeliveryStatus.FAILED
    if isinstance(verdict, Delivered):
        status = DeliveryStatus.SUCCESS
    elif isinstance(verdict, RetryAt):
        status = DeliveryStatus.RETRYING
    return {
        "event_id": lease.delivery.event_id,
        "attempt": lease.delivery.attempts + 1,
        "status": status.value,
        "due": iso(verdict.due_ms) if isinstance(verdict, RetryAt) else None,
    }


def _gone() -> Problem:
    words = "there is no such lease in this queue: it ran out, it was acked or nacked, or never was"
    return Problem(409, "no_lease", words)


def _operation(word: str, handle: Handle, summary: str, answer: Any, body: Any) -> Operation:
    return Operation(
        "POST",
        f"/pull/{{queue}}/{word}",
        handle,
        summary,
        answer,
        in_path=(_QUEUE,),
        body=body,
        errors=() if word == "claim" else (409,),
    )


OPERATIONS: Final = (
    _operation(
        "claim",
        claim_deliveries,
        "Claim what is due in a queue for a time, or wait until something is.",
        ClaimedFields,
        ClaimFields,
    ),
    _operation(
        "ack",
        ack_delivery,
        "Say that a delivery is done; 409 where its lease has ended.",
        LeaseEndedFields,
        AckFields,
    ),
    _operation(
        "nack",
        nack_delivery,
        "Say that a delivery could not be done: a failed attempt; 409 likewise.",
        LeaseEndedFields,
        NackFields,
    ),
    _operation(
        "extend",
        extend_lease,
        "Have a lease run for longer; 409 likewise.",
        LeaseExtendedFields,
        ExtendFields,
    ),
)
