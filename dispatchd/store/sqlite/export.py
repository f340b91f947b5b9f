"""Events whole on SQLite, by the order of commits."""

import sqlite3
from functools import partial
from typing import TYPE_CHECKING, Final

from dispatchd.store.base import EventQuery
from dispatchd.store.export import Exported
from dispatchd.store.sqlite.archive import event_conditions
from dispatchd.store.sqlite.database import Database
from dispatchd.store.sqlite.rows import event_columns, event_from_row

if TYPE_CHECKING:
    from dispatchd.model import Event

PAGE_MAX_BYTES: Final = 8 * 1024 * 1024  # of bodies; a larger one comes alone


class Exporting(Database):
    """Hands out events page by page."""

    async def export(self, query: EventQuery, after: int) -> Exported:
        """Return the events kept after a place, the oldest first."""
        return await self._ask(partial(export, query, after))


def export(query: EventQuery, after: int, reader: sqlite3.Connection) -> Exported:
    """Read a page; each event is found by its place, so that no page walks those before it."""
    where, values = event_conditions(query)
    where = f"{where} AND e.seq > ?" if where else "WHERE e.seq > ?"
    rows = reader.execute(
        f"SELECT {event_columns()}, e.seq FROM events e {where} ORDER BY e.seq LIMIT ?",  # noqa: S608 - fixed conditions
        (*values, after, query.limit),
    )
    events: list[Event] = []
    taken_bytes = 0
    last = after
    try:
        for row in rows:
            taken_bytes += len(row[10])
            if events and taken_bytes > PAGE_MAX_BYTES:
                return Exported(events, last)
            events.append(event_from_row(row))
            last = row[13]
    finally:
        rows.close()
    return Exported(events, last if len(events) == query.limit else None)
