"""The store protocol: what the daemon and the CLI ask of a database, in domain words.

Every backend passes the one conformance suite in tests/store. Writes return only after they
are durable. Every method may raise StoreUnavailable (nothing was changed, try later).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol

from dispatchd.frozen import frozen
from dispatchd.model import (
    Attempt,
    Delivery,
    DeliveryStatus,
    ErrorClass,
    Event,
    EventStatus,
    Hold,
    HoldKind,
    LaneState,
    Pacing,
    Verdict,
)
from dispatchd.store.alerts import Alerts
from dispatchd.store.commit_times import CommitTimes
from dispatchd.store.counts import Counts
from dispatchd.store.export import Export
from dispatchd.store.following import Following
from dispatchd.store.jobs import Jobs
from dispatchd.store.leases import Leases
from dispatchd.store.refused import Refused
from dispatchd.store.retention import Retention
from dispatchd.store.stats import Stats
from dispatchd.store.upgrade import TellUpgrade, nobody

if TYPE_CHECKING:
    from asyncio import Future

NO_RULES: Final[Mapping[str, str]] = MappingProxyType({})
_HOLD_WORDS: Final = {
    HoldKind.PAUSED: "paused",
    HoldKind.BREAKER: "breaker open",
    HoldKind.GONE: "gone",
    HoldKind.CONFIG: "not in the config",
}

# What holds a lane and a person may overrule: one that is not in the config has no address.
RESUMABLE: Final = (HoldKind.PAUSED, HoldKind.BREAKER, HoldKind.GONE)


def hold_words(hold: Hold) -> str:
    """Say for people why a lane is held: `paused: maintenance`."""
    words = _HOLD_WORDS[hold.kind]
    return f"{words}: {hold.reason}" if hold.reason else words


@frozen
class Claimed:
    """What `claim` handed out, and when (Unix ms) to look again if nothing is left to do.

    `more` says that a bound was met and further deliveries may be due already; `next_bytes` is
    the size of the first event that did not fit into the bytes asked for. `replayed` are events
    whose delivery is in hand and was replayed meanwhile: owed again once it is let go.
    """

    ready: Sequence[tuple[Delivery, Event]]
    more: bool
    next_due_ms: int | None
    next_bytes: int | None = None
    replayed: Collection[str] = ()


@frozen
class Idempotency:
    """What makes an event the same as an earlier one of its endpoint, until `expires_ms`."""

    key: str
    expires_ms: int


@frozen
class Duplicate:
    """Nothing was kept: the same event came before, and has this id."""

    event_id: str


@frozen
class EventSummary:
    """One line of `events`: the event without its body, and its deliveries by status.

    `statuses` maps each destination that it is owed to, to how that delivery stands.
    """

    id: str
    endpoint: str
    received_ms: int
    event_type: str | None
    source_ip: str | None
    status: EventStatus
    body_bytes: int
    deliveries: dict[DeliveryStatus, int]
    statuses: dict[str, DeliveryStatus]


@frozen
class EventStory:
    """One event with all that happened to it, by destination.

    `held` is why it is held; `variants` say in whose terms a template spoke that was sent last.
    `leased` is until when (Unix ms) a consumer has it.
    """

    event: Event
    deliveries: Sequence[Delivery]
    attempts: Sequence[Attempt]
    held: dict[str, str]
    variants: dict[str, str]
    leased: dict[str, int] = field(default_factory=dict)


@frozen
class EventQuery:
    """Which events to list, newest first. None means any; `before_id` continues a listing.

    `delivery_status` keeps events with at least one such delivery; times are Unix ms. `search`
    is text that the event type or the body holds, letter by letter. `from_id` ends a listing.
    """

    endpoint: str | None = None
    event_type: str | None = None
    status: EventStatus | None = None
    destination: str | None = None
    delivery_status: DeliveryStatus | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    before_id: str | None = None
    limit: int = 50
    search: str | None = None
    from_id: str | None = None


@frozen
class DeliveryQuery:
    """Which deliveries to list, those of the newest events first. None means any."""

    destination: str | None = None
    status: DeliveryStatus | None = None
    before_id: str | None = None
    limit: int = 50


@frozen
class EventPage:
    """What a bounded look found; `next_id` is the `before_id` of the next, None at the end.

    It may hold less than asked for, even nothing, and not be the end.
    """

    events: Sequence[EventSummary]
    next_id: str | None


@frozen
class DeliveryPage:
    """The same of deliveries."""

    deliveries: Sequence[Delivery]
    next_id: str | None


@frozen
class LaneSummary:
    """One line of `destinations`. Times are Unix ms, None where there was none yet.

    `backlog` counts its open deliveries, those too that are `leased` to consumers of a queue; the
    last success and the last error are exact to a second.
    """

    destination: str
    state: LaneState
    backlog: int
    oldest_due_ms: int | None
    last_success_ms: int | None
    last_error_ms: int | None
    last_error: ErrorClass | None
    leased: int = 0


class Intake(Protocol):
    """What ingest asks: keep this, durably."""

    async def add_event(
        self,
        event: Event,
        destinations: Sequence[str],
        idempotency: Idempotency | None = None,
        *,
        claim: Collection[str] = (),
        rules: Mapping[str, str] = NO_RULES,
    ) -> Sequence[Delivery] | Duplicate:
        """Keep `event` and a queued delivery to each destination, durably, in one transaction.

        Those to `claim` are handed out in that same transaction and returned. `rules` are kept
        with the deliveries: by destination, which rule chose what is sent. With
        `idempotency`, whether it is a duplicate is decided there too; nothing is claimed then.
        """


class Schedule(Protocol):
    """What delivery asks: what is owed, and here is what came of it."""

    async def claim(self, destination: str, now_ms: int, limit: int, max_bytes: int) -> Claimed:
        """Hand out up to `limit` open deliveries due by `now_ms`, the longest due first.

        Only what nobody holds, and no more than `max_bytes` of bodies and headers. Each is its
        holder's until `record` or `release`.
        """

    async def claim_in_order(self, destination: str, now_ms: int, max_bytes: int) -> Claimed:
        """Hand out the open delivery whose event was kept first, if it is due by `now_ms`.

        Those behind it wait for it, whatever their due time; `next_due_ms` is when it is due.
        Only for a lane that `order_lanes` named.
        """

    async def order_lanes(self, destinations: Collection[str]) -> None:
        """Declare which lanes are worked off in order of receipt; call it before `add_event`.

        The order is that in which events were kept: one that was acknowledged before another
        was sent is before it, whatever the clocks said. A replay keeps the place.
        """

    def record(
        self, delivery: Delivery, attempt: Attempt, verdict: Verdict, *, patient: bool = False
    ) -> "Future[None]":
        """Keep an attempt and what it means for its delivery, in one transaction; let it go.

        `delivery` is as it was when it was handed out; a replay that came meanwhile wins. The
        attempt's rule becomes the delivery's. Until the result is durable the claim holds: on
        StoreUnavailable, try again. A `patient` one may wait a moment to share an event's fsync.
        """

    def release(self, delivery: Delivery) -> None:
        """Give back a claimed delivery without an attempt: it is due as it was."""

    async def open_lanes(
        self, destinations: Collection[str], now_ms: int | None = None, *, anew: bool = False
    ) -> Sequence[str]:
        """Declare which destinations exist; return those that owe deliveries but are gone.

        Those are held from `now_ms` (Unix ms) on, kind `config`, until they are declared again.
        `anew`: by a daemon that goes on, so what paces its lanes stays. Costs nothing per
        delivery.
        """

    async def lane_states(self) -> Mapping[str, LaneState]:
        """Return what holds each lane ever seen, by destination: one small read."""

    async def hold_lane(
        self,
        destination: str,
        kind: HoldKind,
        reason: str,
        since_ms: int,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Hold a lane for one more reason, or replace what is kept of that one.

        `detail` is plain JSON. Its open deliveries count as held from here on, whatever is
        under way is recorded as ever. Costs nothing per delivery.
        """

    async def open_lane(self, destination: str, *kinds: HoldKind) -> None:
        """End these reasons to hold a lane, where they are; it is open when none is left."""

    async def pace_lanes(self, changed: Mapping[str, Pacing | None]) -> None:
        """Keep why lanes are paced, None for those that are not; `open_lanes` forgets it."""

    async def version(self) -> int:
        """Return a number that moves when another process has changed something."""


class Archive(Protocol):
    """What people ask: what happened."""

    async def find_events(self, query: EventQuery) -> Sequence[EventSummary]:
        """List events, newest first."""

    async def browse_events(self, query: EventQuery, most_ms: int) -> EventPage:
        """List events, newest first, as far as about `most_ms` of looking reach."""

    async def browse_deliveries(self, query: DeliveryQuery, most_ms: int) -> DeliveryPage:
        """List deliveries likewise."""

    async def get_event(self, event_id: str) -> EventStory | None:
        """Return one event and everything that happened to it; None where there is none."""

    async def stats(self, since_ms: int, until_ms: int | None = None) -> Stats:
        """Count events and deliveries: from the minute of `since_ms` on, or else from its hour.

        What came and ended is counted until `until_ms`, rounded likewise. Adds up what `counts`
        tells, but for what is owed, which is counted.
        """

    async def counts(
        self, span_s: int, since_ms: int, until_ms: int, rows_max: int | None = None
    ) -> Counts:
        """Return what is counted by minutes (`span_s` 60) or hours (3600), the oldest first.

        Those that begin before `until_ms`, from that on which holds `since_ms`. Minutes are kept
        for a day, hours for a year. With `rows_max` no more than about so many of each kind, of
        whole steps: then `next_ms` says where to go on.
        """

    async def oldest_due_ms(self) -> int | None:
        """Return when the delivery became due that is due longest, of lanes that are not held.

        None where none is owed. Costs a step for each lane.
        """

    async def lanes(self) -> Sequence[LaneSummary]:
        """List every lane ever seen, by name. Counts the backlog, never the history."""


class Upkeep(Protocol):
    """What keeps a store good for years."""

    async def open(self, *, backup: bool = True, tell: TellUpgrade = nobody) -> None:
        """Connect, and bring the schema up to date. Raises StoreUnusable where that cannot work.

        `backup` copies a database beside itself before that. `tell` hears how far it has come.
        """

    async def close(self) -> None:
        """Finish the writes under way and let go of the database."""

    def lock(self) -> None:
        """Become the one daemon on this database. Raises AlreadyRunning."""

    def served(self) -> bool:
        """Whether a daemon, this process's or another's, has this database. Changes nothing."""

    def commit_times(self) -> CommitTimes:
        """Return how long commits took since the start; it goes on counting."""

    def warnings(self) -> Sequence[str]:
        """Return what is worth a sentence to the operator about the open store."""

    async def check(self) -> None:
        """Prove that the database is the one that was opened: cheap, writes nothing."""

    async def ping(self) -> None:
        """Prove that the store answers reads and can write."""

    async def kept_time(self) -> int:
        """Return the wall clock (Unix ms) as it was last kept; 0 where it never was."""

    async def keep_time(self, now_ms: int, set_back_ms: int = 0) -> None:
        """Keep the wall clock and, in the same transaction, by how much it was set back.

        What is due later is due when it would have been, counted from here on. Costs nothing
        per delivery, and cannot happen twice: it raises with nothing kept, or it is kept.
        """

    async def forget(self, now_ms: int) -> int:
        """Forget idempotency keys whose window ended by `now_ms`: one small batch.

        Returns how many they were; 0 when none is left.
        """

    async def drop_counts(self, now_ms: int) -> int:
        """Drop counts that are older than they are kept: one small batch.

        Returns how many they were; 0 when none is left.
        """


class Store(
    Intake,
    Schedule,
    Leases,
    Archive,
    Following,
    Jobs,
    Alerts,
    Refused,
    Export,
    Retention,
    Upkeep,
    Protocol,
):
    """A durable event store. Ids are canonical UUID strings, times Unix ms."""
