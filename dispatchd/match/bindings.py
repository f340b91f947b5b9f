"""What transforms and templates know of an event beside its body, by name. Pure."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

import orjson

from dispatchd.match.filters import headers_object
from dispatchd.model import Event

_ASKED: Final = re.compile(r"\$(?:event_type|headers|endpoint)(?![A-Za-z0-9_])")


def wants_bindings(expression: str) -> bool:
    """Whether an expression may ask for one of the variables; asked once, when it is compiled."""
    return _ASKED.search(expression) is not None


def bindings_json(
    event_type: str | None, headers: Iterable[tuple[str, str]], endpoint: str
) -> bytes:
    """Spell `$event_type`, `$headers` and `$endpoint` (the slug) as one JSON object.

    `headers` are the stored ones: what proves a sender is never shown to an expression.
    """
    return orjson.dumps(
        {"event_type": event_type, "headers": headers_object(headers), "endpoint": endpoint}
    )


def template_names(event: Event, destination: str) -> bytes:
    """Spell what a template knows, but for `body`, as one JSON object."""
    received = datetime.fromtimestamp(event.received_ms / 1000, UTC)
    return orjson.dumps(
        {
            "event_type": event.event_type,
            "endpoint": event.endpoint,
            "headers": headers_object(event.headers),
            "event_id": event.id,
            "received_at": received.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "destination": destination,
        }
    )
