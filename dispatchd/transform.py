"""Event to outgoing Request: headers, body, and the check of a JSONata expression. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import jsonata

from dispatchd import __version__
from dispatchd.model import DIRECT, Delivery, Event, Request, Via

USER_AGENT: Final = f"dispatchd/{__version__}"


@dataclass(frozen=True, slots=True)
class Target:
    """What a webhook destination contributes to each request it is sent.

    `header_prefix` is already in header case (`Dispatch`), `timeout_s` in seconds.
    """

    url: str
    headers: Mapping[str, str]
    timeout_s: float
    header_prefix: str
    via: Via = DIRECT


def header_case(prefix: str) -> str:
    """Spell a header prefix as it stands in a header name: `my-app` gives `My-App`."""
    return "-".join(part[:1].upper() + part[1:] for part in prefix.split("-"))


def outgoing(target: Target, event: Event, delivery: Delivery, body: bytes | None) -> Request:
    """Build the request for the next attempt; `body` is a transform's result, if there is one.

    The destination's own headers come last: the operator may override any of ours.
    """
    prefix = target.header_prefix
    headers = {
        "Content-Type": event.content_type if body is None else "application/json",
        "User-Agent": USER_AGENT,
        "Accept-Encoding": "identity",  # the first 2 KB of a reply must be readable as they are
        f"X-{prefix}-Event-ID": event.id,
        f"X-{prefix}-Endpoint-ID": event.endpoint_id,
        f"X-{prefix}-Attempt": str(delivery.attempts + 1),
    }
    if body is None:  # without it, a compressed body is only noise
        headers.update(pair for pair in event.headers if pair[0].lower() == "content-encoding")
    if target.headers:
        mine = {name.lower(): name for name in headers}
        for name, value in target.headers.items():
            headers[mine.get(name.lower(), name)] = value
    return Request(
        "POST",
        target.url,
        headers,
        event.body if body is None else body,
        target.timeout_s,
        target.via,
    )


def expression_problem(expression: str) -> str | None:
    """Return why a JSONata expression does not compile, None when it does."""
    try:
        jsonata.Jsonata(expression)
    except Exception as error:  # noqa: BLE001 - the engine's error types are its own business
        return str(error) or type(error).__name__
    return None
