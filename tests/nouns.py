"""The nouns that store tests write."""

from typing import Any

from dispatchd.clock import new_id
from dispatchd.model import (
    Attempt,
    Delivery,
    ErrorClass,
    Event,
    EventStatus,
)

NOW_MS = 1_795_000_000_000


def an_event(**changes: Any) -> Event:
    fields: dict[str, Any] = {
        "id": new_id(),
        "endpoint": "my-slug",
        "endpoint_id": "7b0c0000-0000-4000-8000-000000000001",
        "received_ms": NOW_MS,
        "event_type": "opened",
        "source_ip": "203.0.113.9",
        "status": EventStatus.RECEIVED,
        "filtered_by": None,
        "content_type": "application/json",
        "headers": (("X-Kept", "é"),),
        "body": b'{"a":1}',
        "auth": "github[0]",
    }
    return Event(**(fields | changes))


def an_attempt(delivery: Delivery, *, error: ErrorClass | None = None) -> Attempt:
    return Attempt(
        event_id=delivery.event_id,
        destination=delivery.destination,
        number=delivery.attempts + 1,
        started_ms=NOW_MS,
        latency_ms=1.5,
        status_code=500 if error else 200,
        error=error,
        message=None,
        response_headers=(("Server", "x"),),
        response_head=b"\x00\xff ok",
        transform=None,
    )
