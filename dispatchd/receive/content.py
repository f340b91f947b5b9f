"""What a body says: as JSON, as a form, or not at all, by what its endpoint takes."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from dispatchd.receive.document import NotJson, parse_json
from dispatchd.verify import form_document, is_form

JSON: Final = "application/json"
UNKNOWN: Final = "application/octet-stream"
CONTENT_TYPE_MAX_CHARS: Final = 255

Bodies = Literal["json", "form", "any"]


@dataclass(frozen=True, slots=True)
class Content:
    """A body's reading, and the Content-Type it is forwarded with.

    `document` is None where the body has no reading; event types and filters find nothing there.
    """

    document: Any
    content_type: str


def read_content(body: bytes, content_type: str, bodies: Bodies) -> Content:
    """Read `body`. Raises NotJson where the endpoint takes JSON and this is none.

    With `form`, a form is read as one and everything else must be JSON; with `any`, whatever is
    neither is taken as it is.
    """
    if bodies == "json":
        return Content(parse_json(body), JSON)
    if is_form(content_type):
        return Content(form_document(body, content_type), _forwardable(content_type))
    try:
        document = parse_json(body)
    except NotJson:
        if bodies == "form":
            raise
        document = None
    return Content(document, _forwardable(content_type) if content_type else _default(document))


def _default(document: Any) -> str:
    return UNKNOWN if document is None else JSON


def _forwardable(content_type: str) -> str:
    """Return a Content-Type that can stand in a request of ours."""
    fits = content_type.isascii() and content_type.isprintable()
    return content_type if fits and len(content_type) <= CONTENT_TYPE_MAX_CHARS else UNKNOWN
