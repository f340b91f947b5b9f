"""A database full of queued deliveries for a dead destination, written in bulk."""

import asyncio
import itertools
import os
import sqlite3
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from load import SLUG, bodies

CHUNK = 20_000


def fill(database: Path, deliveries: int, destination: str) -> None:
    """Migrate `database` as the daemon does, then insert events and deliveries due now."""
    asyncio.run(_migrate(database))
    now_ms = time.time_ns() // 1_000_000
    connection = sqlite3.connect(database, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = OFF")  # the fill is not what is measured
        connection.execute(
            "INSERT OR IGNORE INTO lanes (destination) VALUES (?)", (destination,)
        )
        made = _events(now_ms - deliveries, deliveries)
        while chunk := list(itertools.islice(made, CHUNK)):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT INTO events (id, endpoint, endpoint_id, received_ms, event_type, source_ip,"
                " status, filtered_by, content_type, headers, body)"
                " VALUES (?, ?, ?, ?, 'opened', '127.0.0.1', 'received', NULL,"
                " 'application/json', '[]', ?)",
                chunk,
            )
            connection.executemany(
                "INSERT INTO deliveries (event_id, destination, status, due_ms)"
                " VALUES (?, ?, 'queued', ?)",
                ((row[0], destination, row[3]) for row in chunk),
            )
            connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()
    fd = os.open(database, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def _events(first_ms: int, count: int) -> Iterator[tuple[bytes, str, bytes, int, bytes]]:
    """Rows with version 7 ids, one a millisecond, so that every key grows to the right."""
    endpoint_id = uuid.uuid4().bytes
    body = itertools.cycle(bodies())
    for number in range(count):
        at_ms = first_ms + number
        yield _uuid7(at_ms), SLUG, endpoint_id, at_ms, next(body)


def _uuid7(at_ms: int) -> bytes:
    rest = bytearray(os.urandom(10))
    rest[0] = 0x70 | rest[0] & 0x0F
    rest[2] = 0x80 | rest[2] & 0x3F
    return at_ms.to_bytes(6, "big") + bytes(rest)


async def _migrate(database: Path) -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from dispatchd.store.sqlite import SqliteStore  # noqa: PLC0415 - found by the line above

    store = SqliteStore(str(database))
    await store.open()
    await store.close()
