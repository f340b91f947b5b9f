"""The counts per minute and hour on SQLite: of some events together, the rest by looking at it."""

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
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
from dispatchd.store.sqlite.database import Database

BATCH_ROWS: Final = 500
NEVER: Final = (1 << 62, 1 << 62)  # the `bounds` of a time that does not come
_Row = tuple[Any, ...]


def count_attempts(
    sql: Mapping[str, str],
    attempts: Sequence[_Row],
    settled: Iterable[_Row],
    connection: sqlite3.Connection,
) -> None:
    """Count attempts, but for those that are counted with their event.

    `settled` has what each of the attempts makes of its delivery, as its second. For in the
    transaction that keeps them.
    """
    later = _uncounted(sql, {attempt[0] for attempt in attempts}, connection)
    counted: dict[_Row, int] = {}
    for attempt, settle in zip(attempts, settled, strict=True):
        if attempt[0] not in later:
            key = (attempt[3] // 60_000, attempt[1], settle[1], within_ms(attempt[4]))
            counted[key] = counted.get(key, 0) + 1
    if counted:
        connection.executemany(sql["count_destination"], spread(counted))


def _uncounted(
    sql: Mapping[str, str], keys: Collection[bytes], connection: sqlite3.Connection
) -> set[bytes]:
    """Return which of these events are not counted yet."""
    statement = sql["is_uncounted"]
    return {row[0] for key in keys for row in connection.execute(statement, (key,)).fetchall()}


def add_up(sql: Mapping[str, str], connection: sqlite3.Connection) -> None:
    """Add to the counts what is not counted yet. For in a transaction."""
    events, attempts = look(sql, connection)
    connection.executemany(sql["count_endpoint"], spread(events))
    connection.executemany(sql["count_destination"], spread(attempts))
    connection.execute(sql["all_counted"])


def look(
    sql: Mapping[str, str], connection: sqlite3.Connection
) -> tuple[dict[_Row, int], dict[_Row, int]]:
    """Count what is not counted yet, by minute number and further keys: few events."""
    events = {
        (minute, endpoint, status): count
        for minute, endpoint, status, count in connection.execute(
            sql["uncounted_events"]
        ).fetchall()
    }
    if not events:
        return {}, {}
    attempts: dict[_Row, int] = {}
    for minute, destination, result, latency_ms in connection.execute(
        sql["uncounted_attempts"]
    ).fetchall():
        key = (minute, destination, result, within_ms(latency_ms))
        attempts[key] = attempts.get(key, 0) + 1
    return events, attempts


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
    found = [
        _with(reader.execute(sql[name], asked).fetchall(), uncounted, asked)
        for name, uncounted in zip(
            ("endpoint_counts", "destination_counts"), look(sql, reader), strict=True
        )
    ]
    if rows_max is not None:  # what is not counted yet may be too much in its turn
        for rows in found:
            if len(rows) > rows_max:
                end_s = min(end_s, max(rows[rows_max][0], rows[0][0] + span_s))
        found = [[row for row in rows if row[0] < end_s] for rows in found]
    return Counts(
        span_s,
        [EndpointCount(row[0], row[1] or None, *row[2:]) for row in found[0]],
        [DestinationCount(*row) for row in found[1]],
        None if end_s == until_s else end_s * 1000,
    )


def _with(
    rows: list[_Row], uncounted: Mapping[_Row, int], asked: tuple[int, int, int]
) -> list[_Row]:
    """Return rows of counts with what is not counted yet."""
    if not uncounted:
        return rows
    span_s, since_s, end_s = asked
    more: dict[_Row, int] = {}
    for one_span_s, start_s, *rest, count in spread(uncounted):
        if one_span_s == span_s and since_s <= start_s < end_s:
            key = (start_s, *rest)
            more[key] = more.get(key, 0) + count
    found = [(*row[:-1], row[-1] + more.pop(row[:-1], 0)) for row in rows]
    return sorted(found + [(*key, count) for key, count in more.items()])


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


def sums(
    sql: Mapping[str, str], since_ms: int, until_ms: int | None, reader: sqlite3.Connection
) -> tuple[dict[_Row, int], dict[_Row, int]]:
    """Return how many events and ended attempts there were in a stretch of time.

    By endpoint and result, and by destination and result; counted from the minute, to the minute.
    """
    found: list[dict[_Row, int]] = []
    for counted, statement, uncounted in zip(
        ("endpoint", "destination"), ("stats_events", "stats_ended"), look(sql, reader), strict=True
    ):
        first = _first_minute_s(sql[f"first_{counted}_minute"], uncounted, reader)
        since = _bounds(since_ms, first)
        until = NEVER if until_ms is None else _bounds(until_ms, first)
        rows = reader.execute(sql[statement], (*since, *until)).fetchall()
        all_of: dict[_Row, int] = {row[:2]: row[2] for row in rows}
        for (minute, name, result, *_), count in uncounted.items():
            start_s = minute * MINUTE_S
            counts = _is_since(start_s, since) and not _is_since(start_s, until)
            if counts and result != "retrying":
                all_of[name, result] = all_of.get((name, result), 0) + count
        found.append(all_of)
    return found[0], found[1]


def _first_minute_s(
    statement: str, uncounted: Iterable[_Row], reader: sqlite3.Connection
) -> int | None:
    """Return the first minute (Unix s) of which is known what was counted in it."""
    first = reader.execute(statement).fetchall()[0][0]
    known = [minute * MINUTE_S for minute, *_ in uncounted]
    return min(known if first is None else [first, *known], default=None)


def _bounds(since_ms: int, first_s: int | None) -> tuple[int, int]:
    """Return where (Unix s) minutes count from and where hours do, for sums since `since_ms`."""
    minute = since_ms // 1000 // MINUTE_S * MINUTE_S
    hour = -(-minute // HOUR_S) * HOUR_S
    if first_s is None or first_s > minute:  # of that hour minutes may be missing
        hour = minute // HOUR_S * HOUR_S
    return minute, hour


def _is_since(start_s: int, bounds: tuple[int, int]) -> bool:
    """Whether a minute counts, where minutes count from one time and hours from another."""
    minute, hour = bounds
    return start_s - start_s % HOUR_S >= hour or minute <= start_s < hour


def drop_counts(sql: Mapping[str, str], now_ms: int, connection: sqlite3.Connection) -> int:
    """Delete a batch of old counts; return how many."""
    return sum(
        connection.execute(sql[name], (span_s, now_ms // 1000 - kept_s, BATCH_ROWS)).rowcount
        for span_s, kept_s in KEPT_S.items()
        for name in ("drop_endpoint_counts", "drop_destination_counts")
    )
