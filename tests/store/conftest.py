"""The backends that the one suite runs against."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from dispatchd.store import Store, store_from_url
from dispatchd.store.sqlite import SqliteStore
from dispatchd.store.sqlite.copies import SqliteCopies

BACKENDS = ["sqlite"]
OpenStore = Callable[[], Awaitable[Store]]


@pytest.fixture(params=BACKENDS)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name the test's own database; a new backend is a new line here."""
    return {"sqlite": f"sqlite:///{tmp_path}/store.db"}[request.param]


@pytest.fixture
async def open_store(store_url: str) -> AsyncIterator[OpenStore]:
    """Open the test's database, as often as asked."""
    opened: list[Store] = []

    async def open_one() -> Store:
        store = store_from_url(store_url, busy_timeout_ms=50)
        await store.open()
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        await store.close()


@pytest.fixture
async def store(open_store: OpenStore) -> Store:
    store = await open_store()
    await store.open_lanes(["crm", "audit"])
    return store


@pytest.fixture
async def sqlite_store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """Open a database whose file the test looks into."""
    store = SqliteStore(str(tmp_path / "s.db"))
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def copies(tmp_path: Path) -> SqliteCopies:
    return SqliteCopies(str(tmp_path / "s.db"))
