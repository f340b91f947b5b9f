"""What a request is answered with: the contract's statuses and its error documents."""

from dataclasses import dataclass
from typing import Any, Final

import orjson
from aiohttp import web

# How long a sender should wait before it tries again, by why it was not kept.
RETRY_AFTER_S: Final = {"overloaded": 1, "locked": 2, "closed": 5}
RETRY_AFTER_DEFAULT_S: Final = 10  # a full or failing disk takes somebody to mend it


@dataclass(slots=True)
class Refusal(Exception):  # noqa: N818 - an answer, not a mistake of ours
    """A request ends here with an error of the contract.

    `event_id` is the first event's, where this one is a duplicate; `close` ends the connection;
    `pause_s` is how long the answer waits, at least, and up to twice that.
    """

    status: int
    code: str
    message: str
    headers: dict[str, str] | None = None
    close: bool = False
    event_id: str | None = None
    pause_s: float = 0.0


def unavailable(reason: str, message: str) -> Refusal:
    """Return the 503 of a `reason` (a StoreUnavailable's, or `overloaded`)."""
    seconds = RETRY_AFTER_S.get(reason, RETRY_AFTER_DEFAULT_S)
    return Refusal(
        503, f"unavailable_{reason}", f"{message}; try again", headers={"Retry-After": str(seconds)}
    )


def accepted(event_id: str) -> web.Response:
    """Return the 202: the event is on disk."""
    return web.Response(
        status=202, body=b'{"event_id":"%s"}' % event_id.encode(), content_type="application/json"
    )


def error_document(code: str, message: str) -> dict[str, Any]:
    """Return what every error of the contract says."""
    return {"error": {"code": code, "message": message}}


def refused(refusal: Refusal) -> web.Response:
    """Return the error document of a refusal."""
    document = error_document(refusal.code, refusal.message)
    if refusal.event_id is not None:
        document["event_id"] = refusal.event_id
    response = web.Response(
        status=refusal.status,
        body=orjson.dumps(document),
        content_type="application/json",
        headers=refusal.headers,
    )
    if refusal.close:
        response.force_close()
    return response
