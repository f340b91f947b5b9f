"""What `tail` reads where it has the database: events as they are kept, and what became of them."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from dispatchd.admin.stream.items import EventItem, Wanted
from dispatchd.errors import StoreUnavailable
from dispatchd.model import DeliveryStatus
from dispatchd.shapes.event import ENDED, attempt_fields
from dispatchd.shapes.live import LiveAttemptFields, live_event_fields
from dispatchd.shapes.spelling import iso
from dispatchd.store.following import Kept, Place, Progress, Reading

if TYPE_CHECKING:
    from dispatchd.model import Attempt, Delivery
    from dispatchd.store import Store
    from dispatchd.store.base import EventQuery, EventSummary

POLL_S: Final = 0.2
WATCHED_MAX: Final = 500  # events whose attempts are waited for; the latest ones
FAULT_S: Final = 1.0
LOOK_MS: Final = 500  # for those that were there before

Say = Callable[[str], None]


class StoreTail:
    """Reads on behind a place, and looks after what it has read until that owes nothing more."""

    def __init__(self, store: "Store", query: "EventQuery", say: Say) -> None:
        self._store = store
        # What a delivery is now says nothing of what it will be: all are looked after.
        self._query = replace(query, delivery_status=None)
        self._wanted = Wanted(replace(query, since_ms=None, search=None), attempts=True)
        self._say = say
        self._watched: dict[str, tuple[EventSummary, dict[str, int]]] = {}
        self._version: int | None = None
        self._faulty = False

    async def told(self, place: Place | None) -> AsyncGenerator[Mapping[str, Any]]:
        """Yield events and attempts from a place on, or from now on; for ever."""
        while True:
            more = False
            try:
                if place is None:
                    place = await self._store.newest_place()
                    await self._watch_latest()
                page = await self._store.follow_events(place, self._query, Reading())
                place, more = page.place, page.more
                for kept in page.kept:
                    for fields in self._event(kept):
                        yield fields
                for fields in await self._attempts():
                    yield fields
            except StoreUnavailable as error:
                if not self._faulty:
                    self._say(f"{error}; trying again")
                self._faulty = True
                await asyncio.sleep(FAULT_S)
                continue
            self._faulty = False
            if not more:
                await asyncio.sleep(POLL_S)

    async def _watch_latest(self) -> None:
        """Look after those of the latest events that are still owed, from what they are now on."""
        query = replace(self._query, limit=WATCHED_MAX)
        latest = (await self._store.browse_events(query, LOOK_MS)).events
        owed = [summary for summary in reversed(latest) if _is_open(summary.statuses)]
        found = await self._store.progress([summary.id for summary in owed])
        for summary in owed:
            seen: dict[str, int] = {}
            for attempt in found[summary.id].attempts:
                seen[attempt.destination] = attempt.number  # they come by number
            self._watched[summary.id] = (summary, seen)

    def _event(self, kept: Kept) -> list[Mapping[str, Any]]:
        summary = kept.summary
        if summary.statuses:  # nearly all have ended by now: what came of them is told once
            self._watched[summary.id] = (summary, {})
            while len(self._watched) > WATCHED_MAX:
                del self._watched[next(iter(self._watched))]
            self._version = None  # what it has come to since it was read is told too
        return [live_event_fields(summary)] if EventItem(kept).is_wanted(self._wanted) else []

    async def _attempts(self) -> list[LiveAttemptFields]:
        """Return the attempts that have ended since the last look, by when they began."""
        if not self._watched:
            return []
        version = await self._store.version()
        if version == self._version:
            return []
        found = await self._store.progress(tuple(self._watched))
        told: list[LiveAttemptFields] = []
        for event_id, progress in found.items():
            summary, seen = self._watched[event_id]
            told += self._new(summary, seen, progress)
            if not _is_open({d.destination: d.status for d in progress.deliveries}):
                del self._watched[event_id]
        self._version = version
        told.sort(key=lambda one: one["attempt"]["started"])
        return [one for one in told if self._is_wanted(one)]

    def _new(
        self, summary: "EventSummary", seen: dict[str, int], progress: Progress
    ) -> list[LiveAttemptFields]:
        told = []
        deliveries = {delivery.destination: delivery for delivery in progress.deliveries}
        for attempt in progress.attempts:
            delivery = deliveries.get(attempt.destination)
            if delivery is not None and attempt.number > seen.get(attempt.destination, 0):
                seen[attempt.destination] = attempt.number
                told.append(_fields(summary, attempt, delivery))
        return told

    def _is_wanted(self, told: LiveAttemptFields) -> bool:
        query = self._wanted.query
        return query.destination in (None, told["destination"]) and query.delivery_status in (
            None,
            told["delivery"],
        )


def _is_open(statuses: Mapping[str, DeliveryStatus]) -> bool:
    return any(status not in ENDED for status in statuses.values())


def _fields(summary: "EventSummary", attempt: "Attempt", delivery: "Delivery") -> LiveAttemptFields:
    last = attempt.number == delivery.attempts
    return {
        "kind": "attempt",
        "event_id": summary.id,
        "endpoint": summary.endpoint,
        "event_type": summary.event_type,
        "destination": attempt.destination,
        "delivery": delivery.status.value if last else DeliveryStatus.RETRYING.value,
        "due": iso(delivery.due_ms) if last and delivery.status not in ENDED else None,
        "attempt": attempt_fields(attempt),
    }
