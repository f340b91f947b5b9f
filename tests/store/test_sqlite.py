"""What only the SQLite store can get wrong: its transactions, seen from inside."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from nouns import NOW_MS, an_attempt, an_event
from replays import replayed

from dispatchd.errors import StoreUnavailable
from dispatchd.model import Dead
from dispatchd.store.base import EventQuery
from dispatchd.store.group_commit import Limits
from dispatchd.store.jobs import ReplayQuery
from dispatchd.store.retention import Cuts
from dispatchd.store.sqlite import SqliteStore


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(str(tmp_path / "s.db"), limits=Limits(waiting=2))
    await store.open()
    await store.open_lanes(["crm"])
    yield store
    await store.close()


async def test_a_replay_just_before_prune_deletes_is_honoured(store: SqliteStore) -> None:
    event = an_event()
    added = await store.add_event(event, ["crm"], claim=["crm"])
    assert isinstance(added, list)
    await store.record(added[0], an_attempt(added[0]), Dead())
    unsynced = store._unsynced

    async def replayed_first(work: Any) -> Any:
        assert await replayed(store, ReplayQuery([event.id]), NOW_MS) == 1
        return await unsynced(work)

    store._unsynced = replayed_first  # type: ignore[assignment, method-assign]
    assert (await store.prune(Cuts(NOW_MS + 1, NOW_MS + 1))).events == 0
    (owed,) = (await store.claim("crm", NOW_MS, 10, 1024)).ready
    assert owed[1] == event


async def test_what_comes_while_the_store_closes_is_told_so(store: SqliteStore) -> None:
    assert store._reader is not None
    close = store._reader.close
    reasons = []

    async def asked_meanwhile() -> None:
        await close()
        for ask in (store.ping(), store.find_events(EventQuery())):
            with pytest.raises(StoreUnavailable) as caught:
                await ask
            reasons.append(caught.value.reason)

    store._reader.close = asked_meanwhile  # type: ignore[method-assign]
    await store.close()
    assert reasons == ["closed", "closed"]


async def test_without_memory_the_store_is_unavailable_and_nothing_dies_of_it(
    store: SqliteStore,
) -> None:
    def starved(_connection: Any) -> None:
        raise MemoryError

    for ask in (store._ask, store._transaction):
        with pytest.raises(StoreUnavailable) as caught:
            await ask(starved)
        assert caught.value.reason == "io"
    await store.ping()
