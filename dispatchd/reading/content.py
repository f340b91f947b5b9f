"""What a body says: as JSON, as a form, or not at all, by what its endpoint takes."""

from typing import Any, Final, Literal

from dispatchd.frozen import frozen
from dispatchd.paths import at_path
from dispatchd.reading.json_text import NotJson, exact_json, parse_json
from dispatchd.verify import fields_document, fields_json, is_form, parse_form

JSON: Final = "application/json"
UNKNOWN: Final = "application/octet-stream"
CONTENT_TYPE_MAX_CHARS: Final = 255
FLOATS_EXACT_BELOW: Final = 2.0**53

Bodies = Literal["json", "form", "any"]


@frozen
class Content:
    """A body's reading, and the Content-Type it is forwarded with.

    `document` is None where the body has no reading; event types and filters find nothing there.
    Of a large body it holds no more than what was asked for. `json` is the whole of it as JSON:
    the body itself, or, where that is wanted, what a form says. `exact` is what stands at
    the path that was asked for exactly.
    """

    document: Any
    content_type: str
    json: bytes | None = None
    exact: Any = None


def read_content(
    body: bytes,
    content_type: str,
    bodies: Bodies,
    exact: tuple[str, ...] = (),
    *,
    json: bool = False,
) -> Content:
    """Read `body`. Raises NotJson where the endpoint takes JSON and this is none.

    With `form`, a form is read as one and everything else must be JSON; with `any`, whatever is
    neither is taken as it is. `exact` is a path whose number is wanted digit by digit, `json` says
    that the whole is wanted as JSON.
    """
    if bodies == "json":
        document = parse_json(body)
        return Content(document, JSON, body, exactly(document, body, exact))
    if is_form(content_type):
        form = parse_form(body, content_type)
        document = fields_document(form)
        # As its payload came: not every document can be spelled again, some are too deep.
        whole = fields_json(form) if json else None
        return Content(document, _forwardable(content_type), whole, exactly(document, b"", exact))
    try:
        document = parse_json(body)
    except NotJson:
        if bodies == "form":
            raise
        return Content(None, _forwardable(content_type) if content_type else UNKNOWN)
    forwarded = _forwardable(content_type) if content_type else JSON
    return Content(document, forwarded, body, exactly(document, body, exact))


def exactly(document: Any, body: bytes, path: tuple[str, ...]) -> Any:
    """Return what stands at `path`: a large number as it is written, not as its nearest float.

    None where that cannot be read.
    """
    if not path:
        return None
    value = at_path(document, path)
    if isinstance(value, float) and abs(value) >= FLOATS_EXACT_BELOW:
        # Perhaps an integer beyond 64 bits, whose neighbours are the same float.
        return at_path(exact_json(body), path)
    return value


def _forwardable(content_type: str) -> str:
    """Return a Content-Type that can stand in a request of ours."""
    fits = content_type.isascii() and content_type.isprintable()
    return content_type if fits and len(content_type) <= CONTENT_TYPE_MAX_CHARS else UNKNOWN
