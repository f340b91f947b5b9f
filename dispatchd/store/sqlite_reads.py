"""The SQLite store's questions that people ask: listings, one event's story, statistics."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import aiosqlite

from dispatchd.model import DeliveryStatus, EventStatus
from dispatchd.store.base import (
    DestinationStats,
    EventQuery,
    EventStory,
    EventSummary,
    ReplayQuery,
    Stats,
)
from dispatchd.store.rows import (
    attempt_from_row,
    delivery_from_row,
    event_from_row,
    from_key,
    statements,
    to_key,
)

_OPEN = ("queued", "retrying")


async def find_events(reader: aiosqlite.Connection, query: EventQuery) -> Sequence[EventSummary]:
    """List events, newest first."""
    where, values = _event_conditions(query)
    rows = await reader.execute_fetchall(
        "SELECT e.id, e.endpoint, e.received_ms, e.event_type, e.source_ip, e.status,"  # noqa: S608 - fixed conditions
        f" length(e.body) FROM events e {where} ORDER BY e.id DESC LIMIT ?",
        (*values, query.limit),
    )
    held = await _held(reader)
    found = []
    for row in rows:
        counts: dict[DeliveryStatus, int] = {}
        statuses: dict[str, DeliveryStatus] = {}
        for destination, status in await reader.execute_fetchall(
            "SELECT destination, status FROM deliveries WHERE event_id = ?", (row[0],)
        ):
            shown = statuses[destination] = _shown(status, destination, held)
            counts[shown] = counts.get(shown, 0) + 1
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


def _event_conditions(query: EventQuery) -> tuple[str, list[Any]]:
    conditions: list[str] = []
    values: list[Any] = []

    def add(condition: str, *given: Any) -> None:
        conditions.append(condition)
        values.extend(given)

    if query.endpoint is not None:
        add("e.endpoint = ?", query.endpoint)
    if query.event_type is not None:
        add("e.event_type = ?", query.event_type)
    if query.status is not None:
        add("e.status = ?", query.status)
    if query.since_ms is not None:
        add("e.received_ms >= ?", query.since_ms)
    if query.before_id is not None:
        add("e.id < ?", to_key(query.before_id))
    if query.destination is not None or query.delivery_status is not None:
        inner = ["d.event_id = e.id"]
        if query.destination is not None:
            inner.append("d.destination = ?")
            values.append(query.destination)
        if query.delivery_status is not None:
            condition, given = _status_condition(query.delivery_status)
            inner.append(condition)
            values.extend(given)
        conditions.append(f"EXISTS (SELECT 1 FROM deliveries d WHERE {' AND '.join(inner)})")  # noqa: S608 - likewise
    return ("WHERE " + " AND ".join(conditions) if conditions else ""), values


def _status_condition(status: DeliveryStatus) -> tuple[str, list[Any]]:
    """`held` is an open delivery whose destination is held; the others are what they say."""
    in_held = "d.destination IN (SELECT destination FROM lanes WHERE held IS NOT NULL)"
    if status is DeliveryStatus.HELD:
        return f"d.status IN ('queued', 'retrying') AND {in_held}", []
    if status in _OPEN:
        return f"d.status = ? AND NOT {in_held}", [status]
    return "d.status = ?", [status]


async def _held(reader: aiosqlite.Connection) -> dict[str, str]:
    rows = await reader.execute_fetchall(
        "SELECT destination, held FROM lanes WHERE held IS NOT NULL"
    )
    return {row[0]: row[1] for row in rows}


def _shown(status: str, destination: str, held: dict[str, str]) -> DeliveryStatus:
    if status in _OPEN and destination in held:
        return DeliveryStatus.HELD
    return DeliveryStatus(status)


async def get_event(reader: aiosqlite.Connection, event_id: str) -> EventStory | None:
    """Return one event and everything that happened to it; None where there is none."""
    sql = statements()
    key = (to_key(event_id),)
    events = list(await reader.execute_fetchall(sql["event"], key))
    if not events:
        return None
    held = await _held(reader)
    deliveries = []
    for row in await reader.execute_fetchall(sql["story_deliveries"], key):
        shown = _shown(row[2], row[1], held)
        deliveries.append(delivery_from_row((*row[:2], shown, *row[3:])))
    attempts = await reader.execute_fetchall(sql["story_attempts"], key)
    return EventStory(
        event_from_row(events[0]),
        deliveries,
        [attempt_from_row(row) for row in attempts],
        {d.destination: held[d.destination] for d in deliveries if d.destination in held},
    )


async def stats(reader: aiosqlite.Connection, since_ms: int) -> Stats:
    """Count events and deliveries."""
    sql = statements()
    events = {
        EventStatus(row[0]): row[1]
        for row in await reader.execute_fetchall(sql["stats_events"], (since_ms,))
    }
    held = await _held(reader)
    counts: dict[str, dict[DeliveryStatus, int]] = {}
    oldest: dict[str, int] = {}
    for (destination,) in await reader.execute_fetchall("SELECT destination FROM lanes"):
        counts[destination] = {}
    for destination, status, count, due_ms in await reader.execute_fetchall(sql["stats_open"]):
        shown = _shown(status, destination, held)
        mine = counts.setdefault(destination, {})
        mine[shown] = mine.get(shown, 0) + count
        oldest[destination] = min(due_ms, oldest.get(destination, due_ms))
    for destination, status, count in await reader.execute_fetchall(
        sql["stats_ended"], (since_ms,)
    ):
        counts.setdefault(destination, {})[DeliveryStatus(status)] = count
    pages = list(
        await reader.execute_fetchall(
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        )
    )
    return Stats(
        events,
        [
            DestinationStats(name, counts[name], oldest.get(name), held.get(name))
            for name in sorted(counts)
        ],
        pages[0][0],
    )


async def replayable(
    reader: aiosqlite.Connection, query: ReplayQuery, batch_rows: int
) -> AsyncIterator[list[tuple[bytes, str]]]:
    """Yield the keys of the deliveries `query` chooses, in batches; each is chosen once.

    Walks by key, so what a batch changed does not come round again.
    """
    if query.event_ids:
        keys = list(dict.fromkeys(map(to_key, query.event_ids)))
        for start in range(0, len(keys), batch_rows):
            chunk = keys[start : start + batch_rows]
            batch = [row for key in chunk for row in await _deliveries_of(reader, key, query)]
            if batch:
                yield batch
        return
    if query.destination is not None:
        # By name and key apart: of a row value's comparison SQLite would search the name alone.
        after_last = "d.destination = ? AND d.event_id > ?"
        after: tuple[str, bytes] = (query.destination, b"")
    else:
        after_last = "(d.destination, d.event_id) > (?, ?)"
        after = ("", b"")
    while True:
        rows = await reader.execute_fetchall(
            "SELECT d.event_id, d.destination FROM deliveries d"  # noqa: S608 - fixed conditions
            " JOIN events e ON e.id = d.event_id"
            f" WHERE d.status = 'failed' AND {after_last} AND e.received_ms >= ?"
            " ORDER BY d.destination, d.event_id LIMIT ?",
            (*after, query.since_ms or 0, batch_rows),
        )
        batch = [(row[0], row[1]) for row in rows]
        if not batch:
            return
        after = (batch[-1][1], batch[-1][0])
        yield batch


async def _deliveries_of(
    reader: aiosqlite.Connection, key: bytes, query: ReplayQuery
) -> list[tuple[bytes, str]]:
    rows = await reader.execute_fetchall(
        "SELECT d.event_id, d.destination FROM deliveries d JOIN events e ON e.id = d.event_id"
        " WHERE d.event_id = ? AND e.received_ms >= ? AND (?3 IS NULL OR d.destination = ?3)",
        (key, query.since_ms or 0, query.destination),
    )
    return [(row[0], row[1]) for row in rows]
