"""Listings that look at a bounded piece of the history at a time, whatever is asked for."""

import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar

from dispatchd.frozen import frozen
from dispatchd.model import Delivery
from dispatchd.store.base import DeliveryPage, DeliveryQuery, EventPage, EventQuery
from dispatchd.store.sqlite.archive import find_deliveries, find_events
from dispatchd.store.sqlite.database import Database
from dispatchd.store.sqlite.rows import from_key, to_key

WINDOW_ROWS: Final = 500  # events looked at in one statement,
SEARCHED_ROWS: Final = 50  # and where every body has to be read,
SEARCHED_MAX_BYTES: Final = 8 * 1024 * 1024  # of which many may be large
# A window of which nothing is as young as asked for ends the search, with this to spare for a
# clock that was set back: ids are in the order of their own time, not of the time of receipt.
SLACK_MS: Final = 86_400_000

T = TypeVar("T")


@frozen
class _Bounds:
    """Where a look begins, and how far it goes."""

    before_id: str | None
    since_ms: int | None
    limit: int
    most_ms: int
    searched: bool = False


class Searching(Database):
    """Looks for events and deliveries, as far as a look may take."""

    async def browse_events(self, query: EventQuery, most_ms: int) -> EventPage:
        """List events, newest first, as far as `most_ms` reach."""
        return await self._ask(partial(browse_events, query, most_ms))

    async def browse_deliveries(self, query: DeliveryQuery, most_ms: int) -> DeliveryPage:
        """List deliveries, those of the newest events first, as far as `most_ms` reach."""
        return await self._ask(partial(browse_deliveries, query, most_ms))


def browse_events(query: EventQuery, most_ms: int, reader: sqlite3.Connection) -> EventPage:
    """List events, newest first, as far as `most_ms` reach."""

    def look(before_id: str | None, from_id: str, limit: int) -> Sequence[Any]:
        part = replace(query, before_id=before_id, from_id=from_id, limit=limit)
        return find_events(part, reader)

    searched = query.search is not None
    found, next_id = _browse(
        reader,
        _Bounds(query.before_id, query.since_ms, query.limit, most_ms, searched),
        look,
        lambda one: one.id,
    )
    return EventPage(found, next_id)


def browse_deliveries(
    query: DeliveryQuery, most_ms: int, reader: sqlite3.Connection
) -> DeliveryPage:
    """List deliveries, those of the newest events first, as far as `most_ms` reach.

    All deliveries of an event stand on one page, which may be that much longer.
    """

    def look(before_id: str | None, from_id: str, limit: int) -> Sequence[Delivery]:
        part = replace(query, before_id=before_id, limit=limit)
        return find_deliveries(part, from_id, reader)

    found, next_id = _browse(
        reader,
        _Bounds(query.before_id, None, query.limit, most_ms),
        look,
        lambda one: one.event_id,
    )
    return DeliveryPage(found, next_id)


def _browse(
    reader: sqlite3.Connection,
    within: _Bounds,
    look: Callable[[str | None, str, int], Sequence[T]],
    id_of: Callable[[T], str],
) -> tuple[list[T], str | None]:
    """Look window by window; return what was found, and the id before which to go on."""
    ends_s = time.monotonic() + within.most_ms / 1000
    before_id = within.before_id
    found: list[T] = []
    while True:
        window = _window(reader, before_id, within)
        if window is None:
            return found, None
        from_id, newest_ms = window
        found += look(before_id, from_id, within.limit - len(found))
        if len(found) >= within.limit:
            return found, id_of(found[-1])
        before_id = from_id
        if within.since_ms is not None and newest_ms < within.since_ms - SLACK_MS:
            return found, None
        if time.monotonic() >= ends_s:
            return found, before_id


def _window(
    reader: sqlite3.Connection, before_id: str | None, within: _Bounds
) -> tuple[str, int] | None:
    """Return the id that a window ends with, and the youngest time in it; None past the end."""
    where, given = "", tuple[Any, ...]()
    if before_id is not None:
        where, given = "WHERE id < ?", (to_key(before_id),)
    if within.searched:
        sql, given = _SEARCHED_WINDOW, (*given, SEARCHED_ROWS, SEARCHED_MAX_BYTES)
    else:
        sql, given = _WINDOW, (*given, WINDOW_ROWS)
    rows = reader.execute(sql.format(where=where), given).fetchall()
    return None if rows[0][0] is None else (from_key(rows[0][0]), rows[0][1])


_WINDOW: Final = """
SELECT min(id), max(received_ms) FROM (
    SELECT id, received_ms FROM events {where} ORDER BY id DESC LIMIT ?)
"""
# Up to and with the event whose body goes beyond the bound: a length is known without reading.
_SEARCHED_WINDOW: Final = """
SELECT min(id), max(received_ms) FROM (
    SELECT id, received_ms, bytes, sum(bytes) OVER (ORDER BY id DESC) AS so_far FROM (
        SELECT id, received_ms, length(body) AS bytes FROM events {where} ORDER BY id DESC LIMIT ?))
WHERE so_far - bytes < ?
"""
