"""The nouns of dispatchd: frozen values without behaviour."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from ipaddress import ip_address
from itertools import chain
from typing import Any, Final, Literal

from dispatchd.frozen import frozen


class EventStatus(StrEnum):
    """What became of an event on arrival."""

    RECEIVED = "received"
    FILTERED = "filtered"


class DeliveryStatus(StrEnum):
    """Where a delivery stands; `HELD` is derived from its destination, never stored."""

    QUEUED = "queued"
    RETRYING = "retrying"
    SUCCESS = "success"
    FAILED = "failed"
    HELD = "held"


class ErrorClass(StrEnum):
    """Why an attempt failed. A closed set: dashboards and alerts key on it."""

    HTTP = "http_error"  # a final status that is neither 2xx nor 3xx
    REDIRECT = "redirect"  # 3xx: never followed
    TIMEOUT = "timeout"
    DNS = "dns_error"
    REFUSED = "connection_refused"
    RESET = "connection_reset"
    TLS = "tls_error"
    PROTOCOL = "protocol_error"
    BLOCKED = "blocked_ip"  # an address that is never connected to, or not by this destination
    NETWORK = "network_error"  # any other transport fault, e.g. unreachable
    TRANSFORM = "transform_error"  # only with `on_transform_error: fail`
    REJECTED = "rejected"  # the answer says no, by whatever the platform or protocol calls so
    COMMAND = "command_error"  # a command was not started, or given nothing usable, or ended
    LEASE = "lease_expired"  # whoever claimed it from its queue said nothing in time
    EVALUATOR = "evaluator_error"  # ours: nothing could evaluate the transform; nothing was sent
    INTERNAL = "internal_error"  # a fault of dispatchd's own; always worth a report


@frozen
class Listen:
    """Where to listen: `host` and `port`, a unix socket's `path`, or what systemd hands over.

    `handed` is the name of its sockets; empty for all, where they have one name.
    """

    host: str = ""
    port: int = 0
    path: str | None = None
    handed: str | None = None

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        if self.path is not None or self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback  # of what is handed over nobody knows yet
        except ValueError:
            return False

    @property
    def may_be_unix(self) -> bool:
        """Whether a peer without an address is one that has connected to a unix socket."""
        return self.path is not None or self.handed is not None

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        if self.handed is not None:
            return f"systemd:{self.handed}" if self.handed else "systemd"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@frozen
class Event:
    """One received webhook.

    `id` and `endpoint_id` are canonical UUID strings, `received_ms` is Unix time in ms,
    `headers` are the stored ones (nothing that authenticates), `body` the bytes as received,
    `auth` says what proved the sender: `github[0]` is its first secret. `forward_headers` prove
    the sender and are kept to be sent on alone: never shown, logged or exported.
    """

    id: str
    endpoint: str
    endpoint_id: str
    received_ms: int
    event_type: str | None
    source_ip: str | None
    status: EventStatus
    filtered_by: str | None
    content_type: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    auth: str | None = None
    forward_headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


HEADER_BYTES: Final = 128  # what a header takes in memory beside its characters


def event_bytes(event: Event) -> int:
    """Return about how many bytes an event takes in memory: what a sender can make large."""
    headers = event.headers + event.forward_headers
    text_chars = sum(map(len, chain.from_iterable(headers)))
    return len(event.body) + text_chars + HEADER_BYTES * len(headers)


@frozen
class Sent:
    """What an attempt sent: `body` in place of the event's own, None for that itself.

    With a `variant` it is what a template said, as JSON: in normal form (`default`), or in the
    terms of the type that is named.
    """

    body: bytes | None
    variant: str | None = None


@frozen
class Delivery:
    """One event owed to one destination: the unit of retry.

    `attempts` counts every attempt ever made. A replay starts the retry schedule afresh, so
    `attempts_before` of them belong to earlier runs; `replays` tells the runs apart.
    `due_ms` (Unix ms) is when the next attempt may start. `as_sent` is what to send as it was
    sent before, instead of what the config says, where a replay asked for that. `rule` is the
    rule of the link that chose what is sent, None where none did.
    """

    event_id: str
    destination: str
    status: DeliveryStatus
    attempts: int
    attempts_before: int
    replays: int
    due_ms: int
    as_sent: Sent | None = None
    rule: str | None = None


@frozen
class Via:
    """How a destination is reached. `proxy` is an http URL, the files are paths of PEM files."""

    proxy: str | None = None
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    verify: bool = True
    allow_private: bool = True


DIRECT = Via()


@frozen
class Request:
    """One HTTP request to send. `timeout_s` bounds the whole exchange.

    `headers` as pairs may name one twice: each line is sent.
    """

    method: str
    url: str
    headers: Mapping[str, str] | Sequence[tuple[str, str]]
    body: bytes
    timeout_s: float
    via: Via = DIRECT


@frozen
class MailServer:
    """A mail server and how to log in. `security` is of the connection; `via` has the files."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    via: Via = DIRECT


@frozen
class Mail:
    """One e-mail to send: `content` is the whole of it (RFC 5322). `timeout_s` bounds it all."""

    server: MailServer
    sender: str
    recipients: tuple[str, ...]
    content: bytes = field(repr=False)
    timeout_s: float


@frozen
class Notice:
    """One notice for Apprise to send to services by their `urls`, plain text, within `timeout_s`.

    `kind` is one of Apprise's own: info, success, warning, failure.
    """

    urls: tuple[str, ...] = field(repr=False)
    title: str
    body: str
    kind: str
    timeout_s: float


@frozen
class Command:
    """One program to run, within `timeout_s`; `grace_s` is from SIGTERM to SIGKILL after that.

    `env` is its environment beside the daemon's own variables that `pass_env` names.
    """

    argv: tuple[str, ...] = field(repr=False)
    env: Mapping[str, str] = field(repr=False)
    pass_env: tuple[str, ...]
    cwd: str | None
    stdin: bytes = field(repr=False)
    timeout_s: float
    grace_s: float


Carried = Request | Mail | Notice | Command  # what is composed, and what can be sent


@frozen
class Reply:
    """A complete answer: `head` is at most its first 2 KB.

    Its `status` is HTTP's, for mail SMTP's, for a process its exit code.

    `headers` are those worth keeping, cut at a bound; `retry_after` is that header as it came.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    head: bytes
    latency_ms: float
    retry_after: str | None = None


@frozen
class Failure:
    """An exchange that ended without a complete response.

    `status` is set where a status line had arrived before the fault; `head` is what a program
    had put out, at most its first 2 KB.
    """

    error: ErrorClass
    message: str
    latency_ms: float
    status: int | None = None
    head: bytes = b""


Outcome = Reply | Failure


@frozen
class Attempt:
    """One try at one delivery, as it is kept. Times in Unix ms, latency in ms.

    `sent` is the body that was sent in place of the event's own, and `sent_variant` says whether
    a template made it: None where the event's own was sent, or nothing. Of all attempts at a
    delivery the last one's is kept, and it is shown with none. So is `rule`: the rule that chose
    what was to be sent.
    """

    event_id: str
    destination: str
    number: int
    started_ms: int
    latency_ms: float
    status_code: int | None
    error: ErrorClass | None
    message: str | None
    response_headers: tuple[tuple[str, str], ...]
    response_head: bytes
    transform: str | None  # None: no transform; "applied"; or why the original was sent
    sent: bytes | None = None
    sent_variant: str | None = None
    template: str | None = None  # None: no template; "issue: applied"; or why it was not
    rule: str | None = None


class Whose(StrEnum):
    """Whose fault a failed attempt is: only the destination's own slow its lane down."""

    THEIRS = "theirs"
    OURS = "ours"
    CONTENT = "content"  # of the event or its transform: the same again would fail the same way


@frozen
class Delivered:
    """The destination has it."""


@frozen
class Failed:
    """An attempt that failed, in the normal form that every kind of destination is judged to.

    `retry_after_ms` is how long the destination asked to be left alone, 0 when it did not;
    `throttled` that it meant everything (429, 503), not this request alone; `gone` that it said
    it will never want another one (410).
    """

    error: ErrorClass
    whose: Whose = Whose.THEIRS
    retry_after_ms: int = 0
    gone: bool = False
    throttled: bool = False


Judged = Delivered | Failed


@frozen
class RetryAt:
    """Try again, not before `due_ms` (Unix ms). `counted`: it was one of `max_attempts`."""

    due_ms: int
    counted: bool = True


@frozen
class Dead:
    """No further attempt will be made unless it is replayed."""


Verdict = Delivered | RetryAt | Dead


class HoldKind(StrEnum):
    """What may hold a lane; several may at once, and it is open when none does."""

    PAUSED = "paused"  # by hand
    BREAKER = "breaker"  # open after failures, until a probe succeeds
    GONE = "gone"  # answered 410, or said so in its platform's way
    CONFIG = "config"  # no such destination in the config


@frozen
class Hold:
    """One reason why nothing is sent to a destination.

    `reason` is for people and may be empty; `since_ms` is Unix ms, None where nobody noted it;
    `detail` is what its owner needs after a restart, plain JSON.
    """

    kind: HoldKind
    reason: str
    since_ms: int | None
    detail: Mapping[str, Any]


@frozen
class Pacing:
    """Why a lane is paced, for people, and since when (Unix ms)."""

    reason: str
    since_ms: int


LaneWord = Literal["open", "paced", "held"]


@frozen
class LaneState:
    """What is kept of a lane: it is held while there are `holds`, else paced while it has a pace.

    The pace is its daemon's word, a second or so old.
    """

    holds: tuple[Hold, ...] = ()
    pacing: Pacing | None = None

    @property
    def word(self) -> LaneWord:
        """Return the state in one word."""
        if self.holds:
            return "held"
        return "open" if self.pacing is None else "paced"
