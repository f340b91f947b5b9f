"""The backends that the one suite runs against."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from dispatchd.store import Store, store_from_url

BACKENDS = ["sqlite"]
OpenStore = Callable[[], Awaitable[Store]]


@pytest.fixture(params=BACKENDS)
async def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpenStore]:
    """Open the test's database, as often as asked; a new backend is a new line here."""
    opened: list[Store] = []

    async def open_one() -> Store:
        url = {"sqlite": f"sqlite:///{tmp_path}/store.db"}[request.param]
        store = store_from_url(url, busy_timeout_ms=50)
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
