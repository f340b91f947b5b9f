"""What the live view asks of SQLite: events by their number, which is the order of commits."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from dispatchd.model import EventStatus
from dispatchd.store.base import EventQuery, EventSummary
from dispatchd.store.following import BEGINNING, Kept, KeptPage, Place, Progress, Reading
from dispatchd.store.sqlite.archive import event_conditions, progress, shown_statuses
from dispatchd.store.sqlite.database import Database
from dispatchd.store.sqlite.lanes import kept_ahead_ms, why_held
from dispatchd.store.sqlite.rows import event_columns, event_from_row, from_key, statements, to_key

WINDOW_ROWS: Final = 2000  # events looked at in one statement,
SEARCHED_ROWS: Final = 200  # and where every body has to be read
# Events are committed in another order than they are received in, by no more than a write takes.
SLACK_MS: Final = 60_000


class Following(Database):
    """Reads on behind a place."""

    async def newest_place(self) -> Place:
        """Return the place of the event that was kept last."""
        return await self._ask(partial(_place, "newest_place"))

    async def place_of(self, event_id: str) -> Place:
        """Return the place of an event, or of the last one before it."""
        return await self._ask(partial(_place_of, event_id))

    async def place_since(self, since_ms: int) -> Place:
        """Return a place that no event received since is before."""
        return await self._ask(partial(_place_since, since_ms))

    async def follow_events(self, place: Place, query: EventQuery, reading: Reading) -> KeptPage:
        """Return the events after `place` that `query` is after."""
        return await self._ask(partial(follow_events, place, query, reading))

    async def progress(self, event_ids: Sequence[str]) -> Mapping[str, Progress]:
        """Return how far these events are."""
        return await self._ask(partial(_progress, event_ids))


def _progress(event_ids: Sequence[str], reader: sqlite3.Connection) -> Mapping[str, Progress]:
    held, ahead_ms = why_held(reader), kept_ahead_ms(reader)
    return {
        event_id: Progress(*progress(to_key(event_id), held, ahead_ms, reader))
        for event_id in event_ids
    }


def _place(name: str, reader: sqlite3.Connection, *given: Any) -> Place:
    rows = reader.execute(statements()[name], given).fetchall()
    return Place(rows[0][0], from_key(rows[0][1])) if rows else BEGINNING


def _place_of(event_id: str, reader: sqlite3.Connection) -> Place:
    return _place("place_by_id", reader, to_key(event_id))


def _place_since(since_ms: int, reader: sqlite3.Connection) -> Place:
    first = reader.execute(statements()["first_since"], (since_ms, SLACK_MS)).fetchall()[0][0]
    if first is None:  # nothing is as young
        return _place("newest_place", reader)
    return _place("place_before", reader, first)


def _still(place: Place, reader: sqlite3.Connection) -> Place:
    """Return the place as it is now.

    A table that has lost its last rows gives their numbers again: then ids, which are in the
    order of time, say what came later.
    """
    if place.number == 0:
        return place
    rows = reader.execute(statements()["event_at"], (place.number,)).fetchall()
    if rows:
        gone = from_key(rows[0][0]) != place.event_id
    else:
        gone = _place("newest_place", reader).number < place.number
    return _place_of(place.event_id, reader) if gone else place


def follow_events(
    place: Place, query: EventQuery, reading: Reading, reader: sqlite3.Connection
) -> KeptPage:
    """Return the events after `place` that `query` is after."""
    place = _still(place, reader)
    window_rows = WINDOW_ROWS if query.search is None else SEARCHED_ROWS
    given = (place.number, window_rows)
    last, rows = reader.execute(statements()["window_after"], given).fetchall()[0]
    if last is None:
        return KeptPage((), place, more=False)
    kept, cut = _found(place.number, last, query, reading, reader)
    if cut:
        return KeptPage(kept, kept[-1].place, more=True)
    ids = reader.execute(statements()["event_at"], (last,)).fetchall()
    return KeptPage(kept, Place(last, from_key(ids[0][0])), more=rows >= window_rows)


def _found(
    after: int, last: int, query: EventQuery, reading: Reading, reader: sqlite3.Connection
) -> tuple[list[Kept], bool]:
    """Return what there is in a window, and whether a bound was met before its end."""
    where, values = event_conditions(replace(query, before_id=None, from_id=None))
    joined = f"{where} AND" if where else "WHERE"
    whole_bytes = -1 if reading.whole_bytes is None else reading.whole_bytes
    held = why_held(reader)
    found: list[Kept] = []
    size_bytes = 0
    # By number whatever else is asked for; and `length` reads no body.
    columns = event_columns("CASE WHEN length(e.body) <= ? THEN e.body END")
    cursor = reader.execute(
        f"SELECT {columns}, e.seq, length(e.body)"  # noqa: S608 - fixed conditions
        f" FROM events e NOT INDEXED {joined} e.seq > ? AND e.seq <= ? ORDER BY e.seq",
        (whole_bytes, *values, after, last),
    )
    try:
        for row in cursor:
            found.append(_kept(row, held, reader))
            size_bytes += 0 if row[10] is None else row[14]
            if len(found) >= reading.limit or size_bytes >= reading.most_bytes:
                return found, True
    finally:
        cursor.close()
    return found, False


def _kept(row: Any, held: dict[str, str], reader: sqlite3.Connection) -> Kept:
    counts, statuses = shown_statuses(row[0], held, reader)
    event_id = from_key(row[0])
    summary = EventSummary(
        event_id,
        row[1],
        row[3],
        row[4],
        row[5],
        EventStatus(row[6]),
        row[14],
        counts,
        statuses,
    )
    return Kept(
        Place(row[13], event_id), summary, None if row[10] is None else event_from_row(row[:13])
    )
