"""What the live view asks: the events that were kept after a place, in the order of commits."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from dispatchd.frozen import frozen

if TYPE_CHECKING:
    from dispatchd.model import Attempt, Delivery, Event
    from dispatchd.store.base import EventQuery, EventSummary

NO_EVENT: Final = "00000000-0000-0000-0000-000000000000"


class Place(NamedTuple):
    """How far somebody has read: up to the event `event_id`, the `number`th that was kept.

    Numbers are the store's own; the id is what is told, and what a place is found by again.
    """

    number: int
    event_id: str


BEGINNING: Final = Place(0, NO_EVENT)


@frozen
class Reading:
    """How much a look brings: of events with a body up to `whole_bytes` the event itself too.

    `limit` events, and `most_bytes` of bodies, but always one.
    """

    limit: int = 256
    most_bytes: int = 1024 * 1024
    whole_bytes: int | None = None


@frozen
class Kept:
    """One event as it was found; `event` where it was asked for and is no larger than asked."""

    place: Place
    summary: "EventSummary"
    event: "Event | None"


@frozen
class KeptPage:
    """What a bounded look found, in the order of commits, and the place up to which it looked.

    `more` says that a bound was met. It may hold nothing, and there be more.
    """

    kept: Sequence[Kept]
    place: Place
    more: bool


@frozen
class Progress:
    """How far an event's deliveries are: each as it stands, and the attempts at them."""

    deliveries: "Sequence[Delivery]"
    attempts: "Sequence[Attempt]"


class Following(Protocol):
    """What the live view asks. Nothing is missed and nothing told twice, whatever is pruned."""

    async def newest_place(self) -> Place:
        """Return the place of the event that was kept last."""

    async def place_of(self, event_id: str) -> Place:
        """Return the place of an event.

        Of one that is not there (any more), the place of the last whose id is before it.
        """

    async def place_since(self, since_ms: int) -> Place:
        """Return a place that no event received since (Unix ms) is before."""

    async def follow_events(self, place: Place, query: "EventQuery", reading: Reading) -> KeptPage:
        """Return the events after `place` that `query` is after.

        Its `limit` and its pages mean nothing here.
        """

    async def progress(self, event_ids: Sequence[str]) -> Mapping[str, Progress]:
        """Return how far these events are; without their bodies, so that many may be asked for."""
