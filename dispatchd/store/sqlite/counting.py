"""The counts per minute and hour on SQLite: made of each batch, in its own transaction."""

import sqlite3
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final

from dispatchd.store.counts import (
    HOUR_S,
    KEPT_S,
    MINUTE_S,
    Counts,
    DestinationCount,
    EndpointCount,
    within_ms,
)
from dispatchd.store.sqlite.connection import Step
from dispatchd.store.sqlite.database import Database

BATCH_ROWS: Final = 500
NEVER: Final = (1 << 62, 1 << 62)  # the `bounds` of a time that does not come
_Row = tuple[Any, ...]


def count_steps(
    sql: Mapping[str, str],
    events: Iterable[_Row],
    attempts: Iterable[_Row],
    settled: Iterable[Mapping[str, Any]],
) -> list[Step]:
    """Return the statements that count a batch: rows for each minute, name and result in it.

    `settled` is what each of the attempts makes of its delivery.
    """
    steps: list[Step] = []
    if events:
        counted: dict[_Row, int] = {}
        for event in events:
            key: _Row = (event[3] // 60_000, event[1], event[6])
            counted[key] = counted.get(key, 0) + 1
        steps.append((sql["count_endpoint"], spread(counted)))
    if attempts:
        counted = {}
        for attempt, settle in zip(attempts, settled, strict=True):
            key = (attempt[3] // 60_000, attempt[1], settle["status"], within_ms(attempt[4]))
            counted[key] = counted.get(key, 0) + 1
        steps.append((sql["count_destination"], spread(counted)))
    return steps


def spread(counted: Mapping[_Row, int]) -> list[_Row]:
    """Return rows for both spans of what is counted by minute number and further keys.

    Two minutes of an hour are two rows of it: they are added up where they are kept.
    """
    rows: list[_Row] = []
    for (minute, *rest), count in counted.items():
        start_s = minute * MINUTE_S
        rows.append((MINUTE_S, start_s, *rest, count))
        rows.append((HOUR_S, start_s - start_s % HOUR_S, *rest, count))
    return rows


class Counting(Database):
    """Tells the counts, and drops those that are old."""

    async def counts(
        self, span_s: int, since_ms: int, until_ms: int, rows_max: int | None = None
    ) -> Counts:
        """Return the counts of a stretch of time, the oldest first."""
        asked = (span_s, since_ms // 1000 // span_s * span_s, -(-until_ms // 1000))
        return await self._ask(partial(counts, self._sql, asked, rows_max))

    async def drop_counts(self, now_ms: int) -> int:
        """Drop counts that are too old: one small batch. Returns how many; 0 when none is left."""
        return await self._transaction(partial(drop_counts, self._sql, now_ms))


def counts(
    sql: Mapping[str, str],
    asked: tuple[int, int, int],
    rows_max: int | None,
    reader: sqlite3.Connection,
) -> Counts:
    """Return the counts of the minutes or hours that begin in a stretch of time (Unix s)."""
    span_s, since_s, until_s = asked
    end_s = until_s if rows_max is None else _end_s(sql, asked, rows_max, reader)
    asked = (span_s, since_s, end_s)
    return Counts(
        span_s,
        [
            EndpointCount(start_s, endpoint or None, result, count)
            for start_s, endpoint, result, count in reader.execute(
                sql["endpoint_counts"], asked
            ).fetchall()
        ],
        [
            DestinationCount(*row)
            for row in reader.execute(sql["destination_counts"], asked).fetchall()
        ],
        None if end_s == until_s else end_s * 1000,
    )


def _end_s(
    sql: Mapping[str, str],
    asked: tuple[int, int, int],
    rows_max: int,
    reader: sqlite3.Connection,
) -> int:
    """Return before which step to cut, so that few rows are left, but at least the first step."""
    span_s, _, end_s = asked
    for name in ("endpoint_count_at", "destination_count_at"):
        first = reader.execute(sql[name], (*asked, 0)).fetchall()
        last = reader.execute(sql[name], (*asked, rows_max)).fetchall()
        if last:
            end_s = min(end_s, max(last[0][0], first[0][0] + span_s))
    return end_s


def bounds(
    sql: Mapping[str, str], since_ms: int, reader: sqlite3.Connection, counted: str
) -> tuple[int, int]:
    """Return where (Unix s) minutes count from and where hours do, for sums since `since_ms`.

    `counted` is what of: endpoint or destination.
    """
    minute = since_ms // 1000 // MINUTE_S * MINUTE_S
    hour = -(-minute // HOUR_S) * HOUR_S
    first = reader.execute(sql[f"first_{counted}_minute"]).fetchall()[0][0]
    if first is None or first > minute:  # of that hour minutes may be missing
        hour = minute // HOUR_S * HOUR_S
    return minute, hour


def stretch(
    sql: Mapping[str, str],
    since_ms: int,
    until_ms: int | None,
    reader: sqlite3.Connection,
    counted: str,
) -> tuple[int, int, int, int]:
    """Return the `bounds` of a time, and those of the time up to which is counted."""
    until = NEVER if until_ms is None else bounds(sql, until_ms, reader, counted)
    return (*bounds(sql, since_ms, reader, counted), *until)


def drop_counts(sql: Mapping[str, str], now_ms: int, connection: sqlite3.Connection) -> int:
    """Delete a batch of old counts; return how many."""
    return sum(
        connection.execute(sql[name], (span_s, now_ms // 1000 - kept_s, BATCH_ROWS)).rowcount
        for span_s, kept_s in KEPT_S.items()
        for name in ("drop_endpoint_counts", "drop_destination_counts")
    )
