"""What the tests of copies and of restoring share."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from nouns import an_event

from dispatchd.store.base import EventQuery
from dispatchd.store.sqlite import SqliteStore
from dispatchd.store.sqlite.rows import schema


async def fill(store: SqliteStore, count: int, body: bytes = b"{}") -> list[str]:
    events = [an_event(body=body) for _ in range(count)]
    await asyncio.gather(*(store.add_event(event, ["crm"]) for event in events))
    return [event.id for event in events]


async def ids_in(path: Path) -> set[str]:
    store = SqliteStore(str(path))
    await store.open()
    try:
        return {event.id for event in await store.find_events(EventQuery(limit=1000))}
    finally:
        await store.close()


def old(path: Path, version: int = 1) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"{schema(1)}; PRAGMA user_version = {version};")
