"""What is in a database before a run, and the dead destination that it is owed to."""

import asyncio
import itertools
import os
import socket
import sqlite3
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from load import SLUG, bodies
from machine import RefusedError

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from dispatchd.store import store_from_url

if TYPE_CHECKING:
    from dispatchd.store import Store

CHUNK = 20_000
BUSY_MS = 15_000  # how long a write waits for the daemon's, as the command line's does
DEAD_PORT = 9
DEAD_URL = f"http://127.0.0.1:{DEAD_PORT}/in"


def fill(database: Path, deliveries: int, destination: str) -> None:
    """Migrate `database` as the daemon does, then insert events and deliveries due now."""
    asyncio.run(_migrate(database))
    now_ms = time.time_ns() // 1_000_000
    connection = sqlite3.connect(database, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = OFF")  # the fill is not what is measured
        connection.execute("INSERT OR IGNORE INTO lanes (destination) VALUES (?)", (destination,))
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
        connection.execute("UPDATE counted SET last_seq = (SELECT max(seq) FROM events)")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()
    fd = os.open(database, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def require_dead() -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", DEAD_PORT)) == 0:
            raise RefusedError(
                f"something listens on port {DEAD_PORT}: the destination is not dead"
            )


def _events(first_ms: int, count: int) -> Iterator[tuple[bytes, str, bytes, int, bytes]]:
    """Rows with version 7 ids, one a millisecond, so that every key grows to the right."""
    endpoint_id = uuid.uuid4().bytes
    body = itertools.cycle(bodies())
    for number in range(count):
        at_ms = first_ms + number
        yield uuid7(at_ms), SLUG, endpoint_id, at_ms, next(body)


def uuid7(at_ms: int) -> bytes:
    rest = bytearray(os.urandom(10))
    rest[0] = 0x70 | rest[0] & 0x0F
    rest[2] = 0x80 | rest[2] & 0x3F
    return at_ms.to_bytes(6, "big") + bytes(rest)


async def _migrate(database: Path) -> None:
    async with opened(database):
        pass


@asynccontextmanager
async def opened(database: Path) -> AsyncIterator["Store"]:
    """The store of this tree, as a command opens it beside the daemon."""
    store = store_from_url(f"sqlite:///{database}", busy_timeout_ms=BUSY_MS)
    await store.open()
    try:
        yield store
    finally:
        await store.close()
