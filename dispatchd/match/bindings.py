"""The variables that a transform has beside its input, the body. Pure."""

import re
from collections.abc import Iterable
from typing import Final

import orjson

from dispatchd.match.filters import headers_object

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
