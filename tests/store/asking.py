"""How the store's tests ask it."""

from collections.abc import Awaitable, Callable

from nouns import NOW_MS

from dispatchd.model import (
    Delivery,
    Event,
)
from dispatchd.store import Store
from dispatchd.store.base import Duplicate
from dispatchd.store.retention import Cuts, prune_all

OpenStore = Callable[[], Awaitable[Store]]
FAR_MS = NOW_MS + 10**9
MAX_BYTES = 8 * 1024 * 1024


async def add(store: Store, event: Event, *destinations: str) -> list[Delivery]:
    """Keep an event; its deliveries as they are owed, in nobody's hand."""
    added = await store.add_event(event, destinations, claim=destinations)
    assert not isinstance(added, Duplicate)
    for delivery in added:
        store.release(delivery)
    return list(added)


async def claimed(store: Store, now_ms: int = FAR_MS, limit: int = 100) -> list[Delivery]:
    """Look at what is due, and give it back."""
    due = await store.claim("crm", now_ms, limit, MAX_BYTES)
    for delivery, _ in due.ready:
        store.release(delivery)
    return [delivery for delivery, _ in due.ready]


async def pruned(
    store: Store, before_ms: int, failed_before_ms: int | None = None
) -> tuple[int, int]:
    """Prune; return how many events went, and how many were kept because they failed."""
    cut_ms = before_ms if failed_before_ms is None else failed_before_ms
    batches = [batch async for batch in prune_all(store, Cuts(before_ms, cut_ms))]
    return sum(b.events for b in batches), sum(b.kept_failed for b in batches)
