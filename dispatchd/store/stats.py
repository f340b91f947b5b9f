"""Sums since a time: what came, what ended, and what is owed now."""

from collections.abc import Sequence

from dispatchd.frozen import frozen
from dispatchd.model import DeliveryStatus, EventStatus


@frozen
class DestinationStats:
    """Deliveries of one destination: all open ones, and how many ended since the asked time.

    One that failed, was replayed and succeeded is among both.
    """

    destination: str
    counts: dict[DeliveryStatus, int]
    oldest_due_ms: int | None
    held: str | None

    @property
    def held_because(self) -> str | None:
        """Why deliveries are held; None where none is."""
        return self.held if self.counts.get(DeliveryStatus.HELD) else None


@frozen
class Stats:
    """What `stats` shows; `events` counts those received since the asked time."""

    events: dict[EventStatus, int]
    destinations: Sequence[DestinationStats]
    database_bytes: int
