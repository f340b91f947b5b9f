"""One event brought to a local address: as it came, and what that said of it."""

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from dispatchd.compose.forward import sendable
from dispatchd.framing import FRAMING, PROXY
from dispatchd.frozen import frozen
from dispatchd.model import Outcome, Reply, Request, Via
from dispatchd.shapes.spelling import bytes_field

if TYPE_CHECKING:
    from dispatchd.send import HttpSender

_OF_A_CONNECTION: Final = FRAMING | PROXY


@frozen
class Forward:
    """Where events are brought to: `via` says how a certificate there is looked at."""

    url: str
    timeout_s: float
    via: Via

    async def bring(self, sender: "HttpSender", fields: Mapping[str, Any]) -> Outcome:
        """Post a whole event's own bytes and headers, and what event it is. Never raises."""
        request = Request(
            "POST", self.url, _headers(fields), body_of(fields), self.timeout_s, self.via
        )
        return await sender.send(request)


def body_of(fields: Mapping[str, Any]) -> bytes:
    """Return the bytes of an event's body."""
    if "body" in fields:
        return str(fields["body"]).encode("utf-8", "surrogatepass")
    return base64.b64decode(fields["body_base64"])


def _headers(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    ours = {
        "X-Dispatch-Event-ID": fields["event_id"],
        "X-Dispatch-Endpoint": fields["endpoint"],
        "X-Dispatch-Event-Type": fields["event_type"],
    }
    given = [(str(name), str(value)) for name, value in fields["headers"]]
    listed = {
        option.strip().lower()
        for name, value in given
        if name.lower() == "connection"
        for option in value.split(",")
    }
    never = _OF_A_CONNECTION | listed | {name.lower() for name in ours}
    lines = [(name, value) for name, value in given if name.lower() not in never]
    if not any(name.lower() == "content-type" for name, _ in lines):
        lines.append(("Content-Type", fields["content_type"]))
    lines += [(name, value) for name, value in ours.items() if value is not None]
    return [(name, text) for name, value in lines if (text := sendable(value)) is not None]


def result_fields(fields: Mapping[str, Any], outcome: Outcome) -> dict[str, Any]:
    """Return what came of it, for scripts: the shape of an attempt, and of which event."""
    reply = isinstance(outcome, Reply)
    return {
        "event_id": fields["event_id"],
        "endpoint": fields["endpoint"],
        "event_type": fields["event_type"],
        "received": fields["received"],
        "body_bytes": fields["body_bytes"],
        "status_code": outcome.status,
        "latency_ms": outcome.latency_ms,
        "error": None if isinstance(outcome, Reply) else outcome.error.value,
        "message": None if isinstance(outcome, Reply) else outcome.message,
        **(bytes_field("response", outcome.head) if reply else {}),
    }
