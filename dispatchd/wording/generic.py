"""Words for whatever has none of its own: what most bodies call their title, text and link."""

import re
from typing import Any, Final

from dispatchd.message import Field, Message
from dispatchd.model import Event
from dispatchd.wording.said import (
    DESCRIPTION_MAX_CHARS,
    capitalised,
    first,
    joined,
    kind_of,
    plain_words,
    spoken,
)

FIELDS_MAX: Final = 8
TEXT_SHOWN_BYTES: Final = 2000
_TITLES: Final = ("title", "subject", "summary", "headline", "name", "data.title", "data.name")
_TEXTS: Final = ("description", "message", "text", "body", "content", "details", "data.message")
_LINKS: Final = ("html_url", "web_url", "url", "link", "permalink", "href", "data.url")
_STATES: Final = ("status", "state", "level", "severity", "result", "outcome", "data.status")
_TYPES: Final = ("event_type", "eventType", "event", "type", "topic", "webhookEvent")
# What proves a sender may stand in its body, and is nothing to be read out.
_SECRET: Final = re.compile(
    r"token|secret|signature|passw|api_?key|authori[sz]ation|credential|cookie|session|private",
    re.IGNORECASE,
)
_SIZES: Final = ((1024 * 1024, "MiB"), (1024, "KiB"))


def words(event: Event, document: Any, body: bytes) -> Message:
    """Say what can be said of any event."""
    kind = event.event_type or first(document, *_TYPES)
    happened = capitalised(plain_words(kind.replace(".", " "))) or "Event"
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
    if not isinstance(document, dict):
        described = _of_no_object(event, document, body)
        return Message(title=f"{happened} at {event.endpoint}", description=described)
    title = first(document, *_TITLES)
    state = first(document, *_STATES)
    described = first(document, *_TEXTS, most=DESCRIPTION_MAX_CHARS)
    told = {kind, title, described, first(document, *_LINKS)}
    return Message(
        title=title or joined(happened, "at", event.endpoint),
        description=described,
        url=first(document, *_LINKS, most=2048) or None,
        fields=_fields(document, told),
        kind=kind_of(state, kind_of(kind.rpartition(".")[2])),
    )


def _fields(document: dict[str, Any], told: set[str]) -> tuple[Field, ...]:
    """Return the first scalars at the top that are not told already."""
    found: list[Field] = []
    for name, value in document.items():
        said = spoken(value)
        if said and said not in told and not _SECRET.search(name):
            found.append(Field(capitalised(plain_words(name[:60])), said))
            if len(found) == FIELDS_MAX:
                break
    return tuple(found)


def _of_no_object(event: Event, document: Any, body: bytes) -> str:
    if isinstance(document, list):
        return f"a list of {len(document)}"
    if document is not None:
        return spoken(document, DESCRIPTION_MAX_CHARS)
    if event.content_type.lower().startswith("text/"):
        return body[:TEXT_SHOWN_BYTES].decode("utf-8", "replace")[:DESCRIPTION_MAX_CHARS]
    return f"{_size(len(body))} of {event.content_type[:100] or 'unknown type'}"


def _size(size_bytes: int) -> str:
    for unit_bytes, unit in _SIZES:
        if size_bytes >= unit_bytes:
            return f"{size_bytes / unit_bytes:.1f} {unit}"
    return f"{size_bytes} bytes"
