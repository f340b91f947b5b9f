"""What is told live: events as they are kept, attempts as they end."""

from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict, cast

from dispatchd.model import Dead, Delivered, RetryAt
from dispatchd.shapes.event import (
    AttemptFields,
    EventSummaryFields,
    attempt_fields,
    event_fields,
    summary_fields,
)
from dispatchd.shapes.spelling import iso

if TYPE_CHECKING:
    from dispatchd.model import Attempt, Event, Verdict
    from dispatchd.store.base import EventSummary


class LiveEventFields(EventSummaryFields):
    """An event, as in a listing. Where it was asked for whole, with all else that is kept of it.

    A body that is no UTF-8 is in `body_base64`; one that is large in neither: fetch it.
    """

    kind: Literal["event"]
    endpoint_id: NotRequired[str]
    auth: NotRequired[str | None]
    filtered_by: NotRequired[str | None]
    content_type: NotRequired[str]
    headers: NotRequired[list[list[str]]]
    body: NotRequired[str]
    body_base64: NotRequired[str]


class LiveAttemptFields(TypedDict):
    """An attempt that ended, and how its delivery stands after it.

    `due` is when the next one is, null where there is none.
    """

    kind: Literal["attempt"]
    event_id: str
    endpoint: str
    event_type: str | None
    destination: str
    delivery: str
    due: str | None
    attempt: AttemptFields


def live_event_fields(summary: "EventSummary", event: "Event | None" = None) -> LiveEventFields:
    """Return an event; whole where the event itself is given."""
    fields: dict[str, Any] = {"kind": "event", **summary_fields(summary)}
    if event is not None:
        fields |= event_fields(event)
    return cast("LiveEventFields", fields)


def live_attempt_fields(
    attempt: "Attempt", endpoint: str, event_type: str | None, verdict: "Verdict"
) -> LiveAttemptFields:
    """Return an attempt with what it means."""
    return {
        "kind": "attempt",
        "event_id": attempt.event_id,
        "endpoint": endpoint,
        "event_type": event_type,
        "destination": attempt.destination,
        "delivery": delivery_word(verdict),
        "due": iso(verdict.due_ms) if isinstance(verdict, RetryAt) else None,
        "attempt": attempt_fields(attempt),
    }


def delivery_word(verdict: "Verdict") -> str:
    """Return how a delivery stands after a verdict."""
    match verdict:
        case Delivered():
            return "success"
        case Dead():
            return "failed"
        case RetryAt():
            return "retrying"
