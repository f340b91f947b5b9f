"""The courier of type `webhook`: the body as it came, with headers that say what it is."""

from collections.abc import Mapping
from typing import Final, Protocol
from urllib.parse import quote

from multidict import CIMultiDict

from dispatchd import __version__
from dispatchd.compose.courier import judge_http
from dispatchd.compose.forward import Forwarding, sendable
from dispatchd.model import DIRECT, Delivery, Event, Judged, Outcome, Request, Via
from dispatchd.trace_context import TRACEPARENT, TRACESTATE, attempted, continued, spoken

USER_AGENT: Final = f"dispatchd/{__version__}"
JSON: Final = "application/json"
# Printable ASCII stands in a header as it is; `%` too, so that it reads as it was sent.
_PLAIN: Final = "".join(map(chr, range(0x20, 0x7F)))


class Signs(Protocol):
    """Signs requests."""

    def sign(self, headers: CIMultiDict[str], event_id: str, now_ms: int, body: bytes) -> None:
        """Add the signature of `body`, made at `now_ms` (Unix ms), to the other headers."""


class WebhookCourier:
    """Posts to `url`. `header_prefix` is in header case (`Dispatch`), `timeout_s` in seconds.

    A sender's trace is passed on as it came; where `sample` says that attempts are spans of ours,
    each tells its own, in the sender's trace or in one of the event's.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        timeout_s: float,
        header_prefix: str,
        via: Via = DIRECT,
        *,
        forwarding: Forwarding | None = None,
        signer: Signs | None = None,
        sample: float | None = None,
    ) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._via = via
        self._forwarding = forwarding
        self._signer = signer
        self._sample = sample
        self._dressed = forwarding is not None or signer is not None
        # The operator may override any header of ours.
        taken = {name.lower() for name in headers}
        self._always: CIMultiDict[str] = CIMultiDict(
            (name, value)
            for name, value in (
                ("User-Agent", USER_AGENT),
                # The first 2 KB of a reply must be readable as they are.
                ("Accept-Encoding", "identity"),
            )
            if name.lower() not in taken
        )
        self._always.extend(headers)

        def free(name: str) -> str | None:
            return None if name.lower() in taken else name

        self._traced = free(TRACEPARENT) is not None and free(TRACESTATE) is not None
        self._content_type = free("Content-Type")
        self._content_encoding = free("Content-Encoding")
        (
            self._event_id,
            self._event_type,
            self._endpoint,
            self._endpoint_id,
            self._attempt,
        ) = map(free, own_headers(header_prefix))

    def compose(  # noqa: C901 - each delivery comes through here, and branches cost less than calls
        self, event: Event, delivery: Delivery, content: bytes | None, now_ms: int
    ) -> Request:
        """Build the next attempt's request; `content` is sent in place of the body, as JSON."""
        headers = self._always.copy()
        if self._content_type is not None:
            headers[self._content_type] = event.content_type if content is None else JSON
        if content is None and self._content_encoding is not None:
            # Without it, a compressed body is only noise; every line of it, in order.
            for name, value in event.headers:
                if name.lower() == "content-encoding" and (text := sendable(value)) is not None:
                    headers.add(self._content_encoding, text)
        if self._event_id is not None:
            headers[self._event_id] = event.id
        if self._event_type is not None and event.event_type is not None:
            headers[self._event_type] = header_text(event.event_type)
        if self._endpoint is not None:
            headers[self._endpoint] = event.endpoint
        if self._endpoint_id is not None:
            headers[self._endpoint_id] = event.endpoint_id
        if self._attempt is not None:
            headers[self._attempt] = str(delivery.attempts + 1)
        if self._traced:
            for name, value in self._trace(event, delivery):
                headers[name] = value
        body = event.body if content is None else content
        if self._dressed:
            self._dress(headers, event, body, now_ms)
        return Request("POST", self._url, headers, body, self._timeout_s, self._via)

    def _trace(self, event: Event, delivery: Delivery) -> list[tuple[str, str]]:
        if self._sample is None:
            return continued(event.headers)
        number = delivery.attempts + 1
        return spoken(
            attempted(event.id, event.headers, self._sample, delivery.destination, number)
        )

    def _dress(self, headers: CIMultiDict[str], event: Event, body: bytes, now_ms: int) -> None:
        """Add what few destinations ask for: the sender's own headers, a signature."""
        if self._forwarding is not None:
            for name, value in self._forwarding.headers(event):
                if name.lower() == "user-agent":  # named in full: it stands in place of ours
                    headers[name] = value
                else:
                    headers.add(name, value)
        if self._signer is not None:
            self._signer.sign(headers, event.id, now_ms, body)

    def judge(self, outcome: Outcome, now_ms: int) -> Judged:
        """Any 2xx is a success, nothing else is."""
        return judge_http(outcome, now_ms)


def own_headers(prefix: str) -> tuple[str, ...]:
    """Return the names of the headers that say what a delivery is; `prefix` is in header case."""
    return tuple(
        f"X-{prefix}-{name}"
        for name in ("Event-ID", "Event-Type", "Endpoint", "Endpoint-ID", "Attempt")
    )


def header_text(text: str) -> str:
    """Spell a sender's text as a header's value: what is not printable ASCII, percent-encoded."""
    if text.isascii() and text.isprintable():
        return text
    return quote(text, safe=_PLAIN)


def header_case(prefix: str) -> str:
    """Spell a header prefix as it stands in a header name: `my-app` gives `My-App`."""
    return "-".join(part[:1].upper() + part[1:] for part in prefix.split("-"))
