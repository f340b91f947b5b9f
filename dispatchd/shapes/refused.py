"""Refused requests, as they are kept."""

from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, cast

from dispatchd.shapes.spelling import bytes_field, iso

if TYPE_CHECKING:
    from dispatchd.store.refused import RefusedRequest


class RefusedFields(TypedDict):
    """A refused request. `endpoint` is null where its slug is nobody's.

    The value of a header that may prove somebody is `***`. There is a `body`, or a `body_base64`,
    only where the endpoint has them kept.
    """

    refused: int
    at: str
    endpoint: str | None
    slug: str
    method: str
    status: int
    reason: str
    message: str
    source_ip: str | None
    headers: list[list[str]]
    body_bytes: int | None
    body: NotRequired[str]
    body_base64: NotRequired[str]


def refused_fields(request: "RefusedRequest") -> RefusedFields:
    """Return a refused request."""
    fields: dict[str, Any] = {
        "refused": request.id,
        "at": iso(request.at_ms),
        "endpoint": request.endpoint,
        "slug": request.slug,
        "method": request.method,
        "status": request.status,
        "reason": request.reason,
        "message": request.message,
        "source_ip": request.source_ip,
        "headers": [list(pair) for pair in request.headers],
        "body_bytes": request.body_bytes,
        **({} if request.body is None else bytes_field("body", request.body)),
    }
    return cast("RefusedFields", fields)
