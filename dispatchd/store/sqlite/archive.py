"""What people ask of SQLite: listings, one event's story, statistics."""

import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import Any

from dispatchd.model import Attempt, Delivery, DeliveryStatus, EventStatus
from dispatchd.store.base import (
    DeliveryQuery,
    EventQuery,
    EventStory,
    EventSummary,
)
from dispatchd.store.sqlite.connection import scalar
from dispatchd.store.sqlite.counting import sums
from dispatchd.store.sqlite.database import Database
from dispatchd.store.sqlite.lanes import kept_ahead_ms, why_held
from dispatchd.store.sqlite.rows import (
    attempt_from_row,
    delivery_from_row,
    event_from_row,
    from_key,
    statements,
    to_key,
)
from dispatchd.store.stats import DestinationStats, Stats
from dispatchd.strangers import utf8

_OPEN = ("queued", "retrying")
_EVENTS = frozenset(EventStatus)


class Archive(Database):
    """Looks things up."""

    async def find_events(self, query: EventQuery) -> Sequence[EventSummary]:
        """List events, newest first."""
        return await self._ask(partial(find_events, query))

    async def get_event(self, event_id: str) -> EventStory | None:
        """Return one event and everything that happened to it; None where there is none."""
        return await self._ask(partial(get_event, event_id))

    async def stats(self, since_ms: int, until_ms: int | None = None) -> Stats:
        """Count events and deliveries."""
        return await self._ask(partial(stats, since_ms, until_ms))


def find_events(query: EventQuery, reader: sqlite3.Connection) -> Sequence[EventSummary]:
    """List events, newest first."""
    where, values = event_conditions(query)
    rows = reader.execute(
        "SELECT e.id, e.endpoint, e.received_ms, e.event_type, e.source_ip, e.status,"  # noqa: S608 - fixed conditions
        f" length(e.body) FROM events e {where} ORDER BY e.id DESC LIMIT ?",
        (*values, query.limit),
    ).fetchall()
    held = why_held(reader)
    found = []
    for row in rows:
        counts, statuses = shown_statuses(row[0], held, reader)
        found.append(
            EventSummary(
                from_key(row[0]),
                row[1],
                row[2],
                row[3],
                row[4],
                EventStatus(row[5]),
                row[6],
                counts,
                statuses,
            )
        )
    return found


def shown_statuses(
    key: bytes, held: dict[str, str], reader: sqlite3.Connection
) -> tuple[dict[DeliveryStatus, int], dict[str, DeliveryStatus]]:
    """Return how the deliveries of an event stand: counted, and each by its destination."""
    counts: dict[DeliveryStatus, int] = {}
    statuses: dict[str, DeliveryStatus] = {}
    for destination, status in reader.execute(
        "SELECT destination, status FROM deliveries WHERE event_id = ?", (key,)
    ).fetchall():
        shown = statuses[destination] = _shown(status, destination, held)
        counts[shown] = counts.get(shown, 0) + 1
    return counts, statuses


def event_conditions(query: EventQuery) -> tuple[str, list[Any]]:
    """Return the WHERE of `events e` that a query is, and its values."""
    conditions: list[str] = []
    values: list[Any] = []

    def add(condition: str, *given: Any) -> None:
        conditions.append(condition)
        values.extend(given)

    for condition, given in (
        ("e.endpoint = ?", query.endpoint),
        ("e.event_type = ?", query.event_type),
        ("e.status = ?", query.status),
        ("e.received_ms >= ?", query.since_ms),
        ("e.received_ms < ?", query.until_ms),
        ("e.id < ?", None if query.before_id is None else to_key(query.before_id)),
        ("e.id >= ?", None if query.from_id is None else to_key(query.from_id)),
    ):
        if given is not None:
            add(condition, given)
    if query.search is not None:
        text = utf8(query.search)
        add("(instr(e.event_type, ?) OR instr(e.body, ?))", text, text.encode())
    if query.destination is not None or query.delivery_status is not None:
        inner = ["d.event_id = e.id"]
        if query.destination is not None:
            inner.append("d.destination = ?")
            values.append(query.destination)
        if query.delivery_status is not None:
            condition, more = _status_condition(query.delivery_status)
            inner.append(condition)
            values.extend(more)
        conditions.append(f"EXISTS (SELECT 1 FROM deliveries d WHERE {' AND '.join(inner)})")  # noqa: S608 - likewise
    return ("WHERE " + " AND ".join(conditions) if conditions else ""), values


def find_deliveries(
    query: DeliveryQuery, from_id: str, reader: sqlite3.Connection
) -> Sequence[Delivery]:
    """List deliveries of the events from `from_id` on, newest first; of an event all or none."""
    conditions, values = ["d.event_id >= ?"], [to_key(from_id)]
    if query.before_id is not None:
        conditions.append("d.event_id < ?")
        values.append(to_key(query.before_id))
    asked: list[Any] = list(values)
    if query.destination is not None:
        conditions.append("d.destination = ?")
        asked.append(query.destination)
    if query.status is not None:
        condition, given = _status_condition(query.status)
        conditions.append(condition)
        asked += given
    rows = reader.execute(
        "SELECT event_id, destination, status, attempts, attempts_before, replays, due_ms"  # noqa: S608 - fixed conditions
        f" FROM deliveries d WHERE {' AND '.join(conditions)} ORDER BY event_id DESC, destination",
        asked,
    ).fetchall()
    held, ahead_ms = why_held(reader), kept_ahead_ms(reader)
    found: list[Delivery] = []
    for row in rows:
        if len(found) >= query.limit and from_key(row[0]) != found[-1].event_id:
            break
        shown = _shown(row[2], row[1], held)
        found.append(delivery_from_row((*row[:2], shown, *row[3:]), ahead_ms))
    return found


def _status_condition(status: DeliveryStatus) -> tuple[str, list[Any]]:
    """`held` is an open delivery whose destination is held; the others are what they say."""
    in_held = "d.destination IN (SELECT destination FROM holds)"
    if status is DeliveryStatus.HELD:
        return f"d.status IN ('queued', 'retrying') AND {in_held}", []
    if status in _OPEN:
        return f"d.status = ? AND NOT {in_held}", [status]
    return "d.status = ?", [status]


def _shown(status: str, destination: str, held: dict[str, str]) -> DeliveryStatus:
    if status in _OPEN and destination in held:
        return DeliveryStatus.HELD
    return DeliveryStatus(status)


def get_event(event_id: str, reader: sqlite3.Connection) -> EventStory | None:
    """Return one event and everything that happened to it; None where there is none."""
    sql = statements()
    key = (to_key(event_id),)
    events = reader.execute(sql["event"], key).fetchall()
    if not events:
        return None
    held = why_held(reader)
    ahead_ms = kept_ahead_ms(reader)
    deliveries, attempts = progress(key[0], held, ahead_ms, reader)
    return EventStory(
        event_from_row(events[0]),
        deliveries,
        attempts,
        {d.destination: held[d.destination] for d in deliveries if d.destination in held},
        dict(reader.execute(sql["story_variants"], key).fetchall()),
        {
            destination: until_ms - ahead_ms
            for destination, until_ms in reader.execute(sql["story_leases"], key).fetchall()
        },
    )


def progress(
    key: bytes, held: dict[str, str], ahead_ms: int, reader: sqlite3.Connection
) -> tuple[list[Delivery], list[Attempt]]:
    """Return the deliveries of an event as they stand, and every attempt at them."""
    sql = statements()
    deliveries = []
    for row in reader.execute(sql["story_deliveries"], (key,)).fetchall():
        shown = _shown(row[2], row[1], held)
        deliveries.append(delivery_from_row((*row[:2], shown, *row[3:]), ahead_ms))
    attempts = reader.execute(sql["story_attempts"], (key,)).fetchall()
    return deliveries, [attempt_from_row(row) for row in attempts]


def stats(since_ms: int, until_ms: int | None, reader: sqlite3.Connection) -> Stats:
    """Count events and deliveries."""
    sql = statements()
    ahead_ms = kept_ahead_ms(reader)
    events: dict[EventStatus, int] = {}
    came, ended = sums(sql, since_ms, until_ms, reader)
    for (_, result), count in came.items():
        if result in _EVENTS:
            status = EventStatus(result)
            events[status] = events.get(status, 0) + count
    held = why_held(reader)
    counts: dict[str, dict[DeliveryStatus, int]] = {}
    oldest: dict[str, int] = {}
    for (destination,) in reader.execute("SELECT destination FROM lanes").fetchall():
        counts[destination] = {}
    for destination, status, count, due_ms in reader.execute(sql["stats_open"]).fetchall():
        shown = _shown(status, destination, held)
        mine = counts.setdefault(destination, {})
        mine[shown] = mine.get(shown, 0) + count
        shown_ms = due_ms - ahead_ms
        oldest[destination] = min(shown_ms, oldest.get(destination, shown_ms))
    for (destination, status), count in ended.items():
        counts.setdefault(destination, {})[DeliveryStatus(status)] = count
    size_bytes = scalar(
        reader, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
    )
    return Stats(
        events,
        [
            DestinationStats(name, counts[name], oldest.get(name), held.get(name))
            for name in sorted(counts)
        ],
        size_bytes,
    )
