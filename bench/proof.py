"""Did every acknowledged event get where it should? If not, there is no figure."""

import asyncio
import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from ledger import OK, Row, key
from machine import RefusedError
from sink import Sink

DRAIN_S = 120.0
POLL_S = 0.05


async def arrived(sink: Sink, acked: set[str]) -> None:
    """Wait until all of `acked` are at the sink."""
    end = time.monotonic() + DRAIN_S
    while acked - sink.arrived.keys():
        if time.monotonic() > end:
            missing = len(acked - sink.arrived.keys())
            raise RefusedError(f"{missing} acknowledged events never arrived")
        await asyncio.sleep(POLL_S)


async def recorded(database: Path) -> float:
    """When nothing is owed any more. Asking is cheap: the due index is then empty."""
    end = time.monotonic() + DRAIN_S
    while await asyncio.to_thread(owed, database):
        if time.monotonic() > end:
            raise RefusedError(f"deliveries not recorded as success: {_by_status(database)}")
        await asyncio.sleep(POLL_S)
    return time.monotonic()


def require_stored(database: Path, acked: set[str]) -> None:
    """Look each acknowledged id up."""
    with _reading(database) as connection:
        sql = "SELECT 1 FROM events WHERE id = ?"
        missing = sum(connection.execute(sql, (key(one),)).fetchone() is None for one in acked)
    if missing:
        raise RefusedError(f"{missing} acknowledged events are not in the database")


def require_no_more(database: Path, events: int) -> None:
    with _reading(database) as connection:
        stored = int(connection.execute("SELECT count(*) FROM events").fetchone()[0])
    if stored != events:
        raise RefusedError(f"{events} events were acknowledged, {stored} are stored")


def require_delivered(database: Path, acked: set[str]) -> None:
    """Every acknowledged event is stored, and each owed one delivery that is a success."""
    require_stored(database, acked)
    counts = _by_status(database)
    if counts != {"success": len(acked)}:
        raise RefusedError(f"{len(acked)} events acknowledged, deliveries by status: {counts}")


def require_owed(database: Path, deliveries: int) -> None:
    kept = sum(_by_status(database).values())
    if kept != deliveries:
        raise RefusedError(f"{deliveries} deliveries should be in the database, {kept} are")


def attempts(database: Path) -> int:
    with _reading(database) as connection:
        return int(connection.execute("SELECT count(*) FROM attempts").fetchone()[0])


def lanes_tried(database: Path) -> set[str]:
    """The destinations with at least one attempt."""
    with _reading(database) as connection:
        return {row[0] for row in connection.execute("SELECT DISTINCT destination FROM attempts")}


def owed(database: Path) -> int:
    """How many deliveries have not ended."""
    with _reading(database) as connection:
        sql = "SELECT count(*) FROM deliveries WHERE status IN ('queued', 'retrying')"
        return int(connection.execute(sql).fetchone()[0])


def ledger_rows(database: Path) -> Iterator[Row]:
    """Every delivery to a destination `d<lane>`, with its attempts counted, as a stream."""
    with _reading(database) as connection:
        rows = connection.execute(
            "SELECT d.event_id, d.destination, d.status, d.attempts, d.replays,"
            " count(a.number), ifnull(max(a.number), 0), total(a.status_code = ?1),"
            " total(a.number = d.attempts AND a.status_code = ?1)"
            " FROM deliveries d LEFT JOIN attempts a USING (event_id, destination)"
            " GROUP BY d.event_id, d.destination",
            (OK,),
        )
        for event, lane, *counts, last_ok in rows:
            yield Row(event, int(lane[1:]), *counts, ended_well=bool(last_ok))


def replays_kept(database: Path) -> int:
    """How many times deliveries were started afresh."""
    with _reading(database) as connection:
        return int(connection.execute("SELECT total(replays) FROM deliveries").fetchone()[0])


def errors_logged(log: Path) -> list[str]:
    """The lines of a daemon's JSON log that are errors, or no JSON at all (a traceback)."""
    found = []
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                bad = json.loads(line).get("level") in ("error", "critical")
            except ValueError:
                bad = True
            if bad:
                found.append(line.rstrip())
    return found


def _by_status(database: Path) -> dict[str, int]:
    with _reading(database) as connection:
        sql = "SELECT status, count(*) FROM deliveries GROUP BY status"
        return dict(connection.execute(sql).fetchall())


@contextlib.contextmanager
def _reading(database: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(database, timeout=10)) as connection:
        connection.execute("PRAGMA query_only = ON")
        yield connection
