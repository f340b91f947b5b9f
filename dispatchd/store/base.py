"""The store protocol: what the daemon and the CLI ask of a database, in domain words.

Every backend passes the one conformance suite in tests/store. Writes return only after they
are durable. Every method may raise StoreUnavailable (nothing was changed, try later).
"""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from dispatchd.model import Attempt, Delivery, DeliveryStatus, Event, EventStatus, Verdict


@dataclass(frozen=True, slots=True)
class Due:
    """What `claim_due` found: work to do now, and when (Unix ms) to look again if none is.

    `more` says that a bound was met and further deliveries may be due already.
    """

    ready: Sequence[tuple[Delivery, Event]]
    more: bool
    next_due_ms: int | None


@dataclass(frozen=True, slots=True)
class Idempotency:
    """What makes an event the same as an earlier one of its endpoint, until `expires_ms`."""

    key: str
    expires_ms: int


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Nothing was kept: the same event came before, and has this id."""

    event_id: str


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class EventStory:
    """One event with all that happened to it. `held` maps a destination to why it is held."""

    event: Event
    deliveries: Sequence[Delivery]
    attempts: Sequence[Attempt]
    held: dict[str, str]


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events to list, newest first. None means any; `before_id` continues a listing.

    `delivery_status` keeps events with at least one such delivery; times are Unix ms.
    """

    endpoint: str | None = None
    event_type: str | None = None
    status: EventStatus | None = None
    destination: str | None = None
    delivery_status: DeliveryStatus | None = None
    since_ms: int | None = None
    before_id: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class ReplayQuery:
    """Which deliveries to start afresh.

    With `event_ids`, every delivery of those events; else every failed one. Both may be narrowed
    to one destination and to events received since `since_ms` (Unix ms).
    """

    event_ids: Sequence[str] = ()
    destination: str | None = None
    since_ms: int | None = None


@dataclass(frozen=True, slots=True)
class DestinationStats:
    """Deliveries of one destination: all open ones, and those ended since the asked time."""

    destination: str
    counts: dict[DeliveryStatus, int]
    oldest_due_ms: int | None
    held: str | None


@dataclass(frozen=True, slots=True)
class Stats:
    """What `stats` shows; `events` counts those received since the asked time."""

    events: dict[EventStatus, int]
    destinations: Sequence[DestinationStats]
    database_bytes: int


class Store(Protocol):
    """A durable event store. Ids are canonical UUID strings, times Unix ms."""

    async def open(self) -> None:
        """Connect and migrate. Raises StoreUnusable where that cannot work."""

    async def close(self) -> None:
        """Finish the writes under way and let go of the database."""

    def lock(self) -> None:
        """Become the one daemon on this database. Raises AlreadyRunning."""

    async def add_event(
        self, event: Event, destinations: Sequence[str], idempotency: Idempotency | None = None
    ) -> Sequence[Delivery] | Duplicate:
        """Keep `event` and a queued delivery to each destination, durably, in one transaction.

        With `idempotency`, whether it is a duplicate is decided in that same transaction.
        """

    async def record(self, delivery: Delivery, attempt: Attempt, verdict: Verdict) -> None:
        """Keep an attempt and what it means for its delivery, in one transaction.

        `delivery` is as it was when the attempt began; a replay that came meanwhile wins.
        """

    async def claim_due(
        self, destination: str, now_ms: int, limit: int, exclude: Collection[str]
    ) -> Due:
        """Return up to `limit` open deliveries due by `now_ms`, the longest due first.

        `exclude` holds the event ids the caller has in hand already.
        """

    async def open_lanes(self, destinations: Collection[str]) -> Sequence[str]:
        """Declare which destinations exist; return those that owe deliveries but are gone.

        Their deliveries are held until they are declared again. Costs nothing per delivery.
        """

    async def shift_due(self, now_ms: int, by_ms: int) -> int:
        """Bring deliveries due after `now_ms` forward by `by_ms`: the clock was set back."""

    async def find_events(self, query: EventQuery) -> Sequence[EventSummary]:
        """List events, newest first."""

    async def get_event(self, event_id: str) -> EventStory | None:
        """Return one event and everything that happened to it; None where there is none."""

    def replay(self, query: ReplayQuery, now_ms: int) -> AsyncIterator[int]:
        """Start deliveries afresh, in batches of one transaction each; yield each one's count."""

    async def stats(self, since_ms: int) -> Stats:
        """Count events and deliveries."""

    def prune(self, before_ms: int) -> AsyncIterator[int]:
        """Delete the events received before `before_ms` that owe nothing any more.

        Their deliveries and attempts go with them. Batches of one transaction each; yields
        each one's count of events.
        """

    async def backup(self, path: str) -> None:
        """Write a consistent copy of the database to `path` while it is in use."""

    async def ping(self) -> None:
        """Prove that the store answers reads and can write."""
