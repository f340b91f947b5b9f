"""Events, their deliveries, and the attempts at these."""

from typing import TYPE_CHECKING, Any, Final, NotRequired, TypedDict, cast

from dispatchd.model import DeliveryStatus
from dispatchd.shapes.spelling import bytes_field, iso, iso_or_none

if TYPE_CHECKING:
    from dispatchd.model import Attempt, Delivery, Event
    from dispatchd.store.base import EventStory, EventSummary

ENDED: Final = (DeliveryStatus.SUCCESS, DeliveryStatus.FAILED)


class EventSummaryFields(TypedDict):
    """One line of a listing: `deliveries` counts them by status, `destinations` has each."""

    event_id: str
    endpoint: str
    received: str
    event_type: str | None
    source_ip: str | None
    status: str
    body_bytes: int
    deliveries: dict[str, int]
    destinations: dict[str, str]


class AttemptFields(TypedDict):
    """One try at one delivery. What of the answer is no UTF-8 is in `response_base64`."""

    number: int
    started: str
    latency_ms: float
    status_code: int | None
    error: str | None
    message: str | None
    transform: str | None
    template: str | None
    response_headers: list[list[str]]
    response: NotRequired[str]
    response_base64: NotRequired[str]


class DeliveryFields(TypedDict):
    """One event owed to one destination. `due` is null for what has ended.

    `leased_until` is when its consumer's time is over, where one of a queue has claimed it, else
    null. `rule` is the link's rule that chose what is sent; `variant` says in whose terms the
    template spoke that the last attempt sent.
    """

    destination: str
    status: str
    held_because: str | None
    due: str | None
    leased_until: str | None
    replays: int
    rule: str | None
    variant: str | None
    attempts: list[AttemptFields]


class EventFields(TypedDict):
    """One event whole. A body that is no UTF-8 is in `body_base64`."""

    event_id: str
    endpoint: str
    endpoint_id: str
    received: str
    event_type: str | None
    source_ip: str | None
    auth: str | None
    status: str
    filtered_by: str | None
    content_type: str
    headers: list[list[str]]
    body_bytes: int
    body: NotRequired[str]
    body_base64: NotRequired[str]


class StoryFields(EventFields):
    """One event with all that happened to it."""

    deliveries: list[DeliveryFields]


def summary_fields(event: "EventSummary") -> EventSummaryFields:
    """Return one line of a listing."""
    return {
        "event_id": event.id,
        "endpoint": event.endpoint,
        "received": iso(event.received_ms),
        "event_type": event.event_type,
        "source_ip": event.source_ip,
        "status": event.status.value,
        "body_bytes": event.body_bytes,
        "deliveries": {status.value: n for status, n in event.deliveries.items()},
        "destinations": {name: status.value for name, status in event.statuses.items()},
    }


def story_fields(story: "EventStory") -> StoryFields:
    """Return an event with all that happened to it."""
    return {**event_fields(story.event), "deliveries": deliveries_fields(story)}


def event_fields(event: "Event") -> EventFields:
    """Return an event whole."""
    fields: dict[str, Any] = {
        "event_id": event.id,
        "endpoint": event.endpoint,
        "endpoint_id": event.endpoint_id,
        "received": iso(event.received_ms),
        "event_type": event.event_type,
        "source_ip": event.source_ip,
        "auth": event.auth,
        "status": event.status.value,
        "filtered_by": event.filtered_by,
        "content_type": event.content_type,
        "headers": [list(pair) for pair in event.headers],
        "body_bytes": len(event.body),
        **bytes_field("body", event.body),
    }
    return cast("EventFields", fields)


def deliveries_fields(story: "EventStory") -> list[DeliveryFields]:
    """Return each delivery of an event with its attempts."""
    return [_delivery_fields(story, delivery) for delivery in story.deliveries]


def _delivery_fields(story: "EventStory", delivery: "Delivery") -> DeliveryFields:
    return {
        "destination": delivery.destination,
        "status": delivery.status.value,
        "held_because": story.held.get(delivery.destination)
        if delivery.status is DeliveryStatus.HELD
        else None,
        "due": None if delivery.status in ENDED else iso(delivery.due_ms),
        "leased_until": iso_or_none(story.leased.get(delivery.destination)),
        "replays": delivery.replays,
        "rule": delivery.rule,
        "variant": story.variants.get(delivery.destination),
        "attempts": [
            attempt_fields(a) for a in story.attempts if a.destination == delivery.destination
        ],
    }


def attempt_fields(attempt: "Attempt") -> AttemptFields:
    """Return one attempt."""
    fields: dict[str, Any] = {
        "number": attempt.number,
        "started": iso(attempt.started_ms),
        "latency_ms": attempt.latency_ms,
        "status_code": attempt.status_code,
        "error": None if attempt.error is None else attempt.error.value,
        "message": attempt.message,
        "transform": attempt.transform,
        "template": attempt.template,
        "response_headers": [list(pair) for pair in attempt.response_headers],
        **bytes_field("response", attempt.response_head),
    }
    return cast("AttemptFields", fields)
