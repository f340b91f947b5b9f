"""Nothing of a cursor leaves its connection's thread, whatever fails and whoever waits.

Python 3.11 marks the statement of a freed cursor as unused, also while another thread is between
two rows of it: that thread then binds to a running statement, and SQLite refuses.
"""

import asyncio
import gc
import sqlite3
from collections.abc import AsyncIterator, Awaitable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from locks import write_lock
from nouns import NOW_MS, an_attempt, an_event
from replays import FAILED, replayed

from dispatchd.errors import StoreUnavailable, WriteRejected
from dispatchd.model import Dead, Delivered
from dispatchd.store.base import Duplicate, EventQuery, Idempotency
from dispatchd.store.jobs import ReplayQuery
from dispatchd.store.retention import Cuts, prune_all
from dispatchd.store.sqlite import SqliteStore, connection


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(str(tmp_path / "s.db"), busy_timeout_ms=1)
    await store.open()
    await store.open_lanes(["crm", "audit"])
    yield store
    await store.close()


def cursors() -> list[str]:
    """Return what cursors are alive in the process: those of errors that somebody holds too."""
    return [
        f"{found!r} held by {[type(holder) for holder in gc.get_referrers(found)]}"
        for found in gc.get_objects()
        if isinstance(found, sqlite3.Cursor)
    ]


async def all_of(asked: list[Awaitable[Any]]) -> list[Any]:
    return list(await asyncio.gather(*asked, return_exceptions=True))


async def test_writes_leave_no_cursor(store: SqliteStore) -> None:
    remember = Idempotency("k", NOW_MS + 9)
    answers = await all_of(
        [
            *(store.add_event(an_event(), ["crm", "audit"], claim=["crm"]) for _ in range(50)),
            *(store.add_event(an_event(), ["crm"], remember) for _ in range(9)),
        ]
    )
    assert sum(isinstance(answer, Duplicate) for answer in answers) == 8
    await store.record(answers[0][0], an_attempt(answers[0][0]), Dead())
    assert await replayed(store, ReplayQuery(statuses=FAILED), NOW_MS) == 1
    await store.record(answers[1][0], an_attempt(answers[1][0]), Delivered())
    assert [batch async for batch in prune_all(store, Cuts(NOW_MS + 1, NOW_MS + 1))]
    await store.ping()
    assert cursors() == []


async def test_refused_writes_leave_no_cursor(store: SqliteStore) -> None:
    """They fail after other statements of their transaction went well."""
    (delivery,) = (await all_of([store.add_event(an_event(), ["crm"], claim=["crm"])]))[0]
    await store.record(delivery, an_attempt(delivery), Dead())
    answers = await all_of(
        [
            *(store.add_event(an_event(), ["crm"]) for _ in range(5)),
            *(store.add_event(an_event(), ["crm", "crm"]) for _ in range(5)),
            store.add_event(an_event(event_type="\ud800"), ["crm"]),
            store.record(delivery, an_attempt(delivery), Delivered()),
        ]
    )
    assert sum(isinstance(answer, WriteRejected) for answer in answers) == 7
    assert cursors() == []


async def test_reads_leave_no_cursor(store: SqliteStore) -> None:
    event = an_event()
    await store.add_event(event, ["crm"])
    await store.find_events(EventQuery())
    await store.get_event(event.id)
    await store.claim("crm", NOW_MS, 10, 8_000_000)
    await store.stats(0)
    assert cursors() == []


async def test_a_locked_database_leaves_no_cursor(store: SqliteStore, tmp_path: Path) -> None:
    with write_lock(tmp_path / "s.db"):
        (error,) = await all_of([store.add_event(an_event(), ["crm"])])
        assert isinstance(error, StoreUnavailable)
        assert cursors() == []


def fail(wrong: str, connection: sqlite3.Connection) -> None:
    cursor = connection.execute("SELECT destination FROM lanes")
    cursor.fetchone()  # between two rows
    connection.execute(wrong)


@pytest.mark.parametrize("wrong", ["SELECT * FROM nowhere", "SELECT 1; SELECT 2", "ROLLBACK"])
async def test_an_error_takes_no_cursor_with_it(store: SqliteStore, wrong: str) -> None:
    assert store._writer is not None
    work = partial(connection.transact, work=partial(fail, wrong))
    (error,) = await all_of([store._writer.run(work)])
    assert isinstance(error.__cause__, sqlite3.Error | sqlite3.Warning)
    assert cursors() == []
    await store.ping()
