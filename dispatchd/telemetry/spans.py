"""Facts to spans: pure. A span says what the log says, and nothing that a sender keeps to itself.

No body, no header, no query; of a destination's address what may be shown. Names of attributes
are OpenTelemetry's where it has some (https://opentelemetry.io/docs/specs/semconv/http/), else
`dispatchd.*`, in this project's words.
"""

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Final, Literal
from urllib.parse import urlsplit

from dispatchd.alert_kinds import ALERTS
from dispatchd.facts import AttemptEnded, WebhookAnswered, result_of
from dispatchd.frozen import frozen
from dispatchd.model import Dead, Delivered, RetryAt
from dispatchd.strangers import utf8
from dispatchd.trace_context import TraceContext, attempted, received, sender_context

Value = str | int
Kind = Literal["server", "client", "internal"]

EVENT_TYPE_MAX_CHARS: Final = 256
ROUTE: Final = "/hooks/{slug}"
# RFC 9110 section 9 and RFC 5789; any other word is a stranger's.
_METHODS: Final = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}
)
_SERVER_ERROR: Final = 500
_RESULTS: Final[Mapping[type, str]] = {
    Delivered: "success",
    RetryAt: "retrying",
    Dead: "failed",
}


@frozen
class Target:
    """A destination as spans tell of it: its type in the config's word, its URL as it is shown."""

    type: str
    url: str


@frozen
class SpanFields:
    """A span that has ended, in plain values; times are Unix ns, `error` is its class."""

    name: str
    kind: Kind
    context: TraceContext
    parent: TraceContext | None
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Value] = field(default_factory=dict)
    error: str | None = None


def webhook_spans(
    fact: WebhookAnswered, sample: float, unknown_id: str, now_s: float, now_ns: int
) -> Iterator[SpanFields]:
    """Yield the spans of a webhook that has just been answered: the request, and its parts.

    It is `now_s` by `time.perf_counter()` and `now_ns` in Unix time. `unknown_id` is what names a
    request of which no event was made.
    """
    event = fact.event
    headers = fact.trace if event is None else event.headers
    context = received(unknown_id if event is None else event.id, headers, sample)
    if not context.sampled:
        return

    def at_ns(at_s: float) -> int:
        return now_ns - round((now_s - at_s) * 1e9)

    ended_s = fact.began_s + fact.latency_ms / 1000
    method = fact.method if fact.method in _METHODS else "_OTHER"
    result = result_of(fact)
    failed = fact.status >= _SERVER_ERROR
    yield SpanFields(
        f"{method} {ROUTE}" if method != "_OTHER" else f"HTTP {ROUTE}",
        "server",
        context,
        sender_context(headers),
        at_ns(fact.began_s),
        at_ns(ended_s),
        dict(_of_webhook(fact, method, result)),
        error=result if failed else None,
    )
    if not fact.read_s:
        return
    judged_s = fact.judged_s or ended_s
    judged: dict[str, Value] = {"dispatchd.result": result}
    yield _part("judge", context, (at_ns(fact.read_s), at_ns(judged_s)), judged)
    if fact.judged_s and event is not None:
        kept_s = fact.kept_s or ended_s
        kept: dict[str, Value] = {
            "db.system.name": "sqlite",
            "dispatchd.deliveries": len(fact.destinations),
        }
        failure = None if fact.kept_s else result
        yield _part("commit", context, (at_ns(judged_s), at_ns(kept_s)), kept, failure)


def attempt_span(fact: AttemptEnded, target: Target | None, sample: float) -> SpanFields | None:
    """Return the span of an attempt; None where its trace is not recorded.

    Its parent is the receipt of the event, however long ago that was; an alert has none.
    """
    event, attempt = fact.event, fact.attempt
    context = attempted(event.id, event.headers, sample, attempt.destination, attempt.number)
    if not context.sampled:
        return None
    start_ns = attempt.started_ms * 1_000_000
    return SpanFields(
        f"attempt {attempt.destination}",
        "client",
        context,
        None if event.endpoint == ALERTS else received(event.id, event.headers, sample),
        start_ns,
        start_ns + round(attempt.latency_ms * 1e6),
        dict(_of_attempt(fact, target)),
        error=None if attempt.error is None else _error_type(fact),
    )


def _part(
    name: str,
    parent: TraceContext,
    times_ns: tuple[int, int],
    attributes: Mapping[str, Value],
    error: str | None = None,
) -> SpanFields:
    """Return a part of a request; its own id is nobody's business, so whoever exports gives one."""
    context = parent._replace(span_id="")
    return SpanFields(name, "internal", context, parent, *times_ns, attributes, error)


def _of_webhook(fact: WebhookAnswered, method: str, result: str) -> Iterator[tuple[str, Value]]:
    yield "http.request.method", method
    yield "http.route", ROUTE
    yield "url.scheme", "http"
    yield "http.response.status_code", fact.status
    if fact.source_ip is not None:
        yield "client.address", fact.source_ip
    if fact.body_bytes is not None:
        yield "http.request.body.size", fact.body_bytes
    yield "dispatchd.result", result
    if fact.error != "unknown_endpoint":  # else it is a stranger's word
        yield "url.path", f"/hooks/{fact.endpoint}"
        yield "dispatchd.endpoint", fact.endpoint
    if fact.event is not None and fact.kept_s and fact.duplicate_of is None:
        yield "dispatchd.event.id", fact.event.id
    if fact.duplicate_of is not None:
        yield "dispatchd.event.id", fact.duplicate_of
    if fact.event is not None:
        yield from _event_type(fact.event.event_type)


def _of_attempt(fact: AttemptEnded, target: Target | None) -> Iterator[tuple[str, Value]]:
    event, attempt = fact.event, fact.attempt
    yield "dispatchd.endpoint", event.endpoint
    yield "dispatchd.event.id", event.id
    yield from _event_type(event.event_type)
    yield "dispatchd.destination", attempt.destination
    yield "dispatchd.attempt.number", attempt.number
    yield "dispatchd.result", _RESULTS[type(fact.verdict)]
    if target is None:
        return
    yield "dispatchd.destination.type", target.type
    parts = urlsplit(target.url)
    if parts.scheme in ("http", "https"):
        yield "http.request.method", "PUT" if target.type == "matrix" else "POST"
        yield "url.full", target.url
        if attempt.status_code is not None:
            yield "http.response.status_code", attempt.status_code
        if attempt.number > 1:
            yield "http.request.resend_count", attempt.number - 1
    if parts.scheme in ("http", "https", "smtp", "smtps") and parts.hostname:
        yield "server.address", parts.hostname
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
        if port is not None:
            yield "server.port", port
    if target.type == "command" and attempt.status_code is not None:
        yield "process.exit.code", attempt.status_code


def _error_type(fact: AttemptEnded) -> str:
    """Return the status of an answer that was none to be had, as the conventions say; else ours."""
    attempt = fact.attempt
    if attempt.error == "http_error" and attempt.status_code is not None:
        return str(attempt.status_code)
    return str(attempt.error)


def _event_type(event_type: str | None) -> Iterator[tuple[str, Value]]:
    if event_type is not None:
        yield "dispatchd.event.type", utf8(event_type[:EVENT_TYPE_MAX_CHARS])
