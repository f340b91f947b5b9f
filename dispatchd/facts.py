"""What happened, once, frozen. Whoever wants to know is a function that is handed each fact."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dispatchd.frozen import frozen
from dispatchd.model import Attempt, Event, HoldKind, LaneWord, Verdict


@dataclass(slots=True)
class WebhookAnswered:
    """A webhook was answered `status`; what is known of it is filled in on its way, then told.

    `event` is what was judged, kept or not: `error` says why not (the answer's code), and
    `duplicate_of` is the id of the first of its kind. `trace` are the headers that say of which
    trace a request is that came to no event. The last three are `time.perf_counter()` when its
    body had been read, when it had been judged, and when it was on disk; 0 where it never was.
    """

    endpoint: str
    status: int = 0
    latency_ms: float = 0.0
    source_ip: str | None = None
    body_bytes: int | None = None
    body: bytes | None = field(default=None, repr=False)  # while it may be refused; never told
    auth: str | None = None
    event: Event | None = None
    destinations: Sequence[str] = ()
    notes: Sequence[str] = ()
    error: str | None = None
    duplicate_of: str | None = None
    handshake: bool = False
    shown: str = ""  # of a handshake, to the operator: once
    method: str = "POST"
    trace: Sequence[tuple[str, str]] = ()
    began_s: float = 0.0
    read_s: float = 0.0
    judged_s: float = 0.0
    kept_s: float = 0.0


def result_of(fact: WebhookAnswered) -> str:
    """Return in one word of a closed set what became of a webhook: an event, or why not."""
    if fact.duplicate_of is not None:
        return "duplicate"
    if fact.error is not None:
        return fact.error
    if fact.handshake or fact.event is None:
        return "handshake"
    return fact.event.status.value


@frozen
class AttemptEnded:
    """An attempt ended and is on disk, with what it means for its delivery."""

    event: Event
    attempt: Attempt
    verdict: Verdict


@frozen
class LaneChanged:
    """A lane's state changed: `held` and why, `paced` and why, or `open` again.

    `since_ms` is Unix ms; `kind` says in one word what holds it.
    """

    destination: str
    state: LaneWord
    reason: str
    since_ms: int
    kind: HoldKind | None = None


@frozen
class HistoryPruned:
    """A run of retention ended: `why` is `age` or `size`.

    `stuck` says that the database is over its size still, and that nothing is left that may go.
    """

    why: str
    events: int
    kept_failed: int
    took_s: float
    used_bytes: int
    stuck: bool = False


@frozen
class DiskChanged:
    """The disk has too little left for webhooks, or enough again."""

    low: bool
    free_bytes: int
    bound_bytes: int


@frozen
class DrainCut:
    """At the end of a drain exchanges were still under way: they will be made again."""

    destination: str
    deliveries: int


@frozen
class InternalError:
    """A fault of dispatchd's own, survived; always worth a report."""

    error: str
    destination: str | None = None
    event_id: str | None = None


Fact = (
    WebhookAnswered
    | AttemptEnded
    | LaneChanged
    | HistoryPruned
    | DiskChanged
    | DrainCut
    | InternalError
)
Tell = Callable[[Fact], None]


def telling(*watchers: Tell) -> Tell:
    """Return what tells each of `watchers` in turn."""
    if len(watchers) == 1:
        return watchers[0]

    def tell(fact: Fact) -> None:
        for watcher in watchers:
            watcher(fact)

    return tell
