"""Replays, as tests ask for them."""

from dispatchd.model import DeliveryStatus
from dispatchd.store import Store
from dispatchd.store.jobs import ReplayQuery

FAILED = (DeliveryStatus.FAILED,)


async def replayed(store: Store, query: ReplayQuery, now_ms: int) -> int:
    """Replay as a job to its end, here; return how many deliveries it started afresh."""
    job = await store.add_job(query, None, now_ms)
    while job.open:
        page = await store.choose(job, 500)
        moved = await store.advance(job, page, page.candidates, 0, now_ms)
        assert moved is not None
        job = moved
    return job.replayed
