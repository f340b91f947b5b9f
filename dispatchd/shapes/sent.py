"""What was sent by hand, or would be."""

from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict, cast

from dispatchd.shapes.spelling import bytes_field


class RequestFields(TypedDict):
    """A request as it would go. What of it is no UTF-8 is in `body_base64`."""

    method: str
    url: str
    headers: list[list[str]]
    body: NotRequired[str]
    body_base64: NotRequired[str]


class ResentFields(TypedDict):
    """How far the sending of exported events came.

    `known` are those that the other side had already, `skipped` those that were not sent: alerts,
    and what `--after` leaves out. `last` is the last one that it took.
    """

    sent: int
    known: int
    skipped: int
    last: str | None
    ok: bool


def request_fields(url: str, headers: Sequence[tuple[str, str]], body: bytes) -> RequestFields:
    """Return a request as it would go."""
    fields: dict[str, Any] = {
        "method": "POST",
        "url": url,
        "headers": [list(pair) for pair in headers],
        **bytes_field("body", body),
    }
    return cast("RequestFields", fields)
