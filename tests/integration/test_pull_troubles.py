"""Pull queues where two things happen at once, or something goes wrong in between."""

import asyncio
from typing import Any

import pytest
from rig import BODY, FakeClock, StartDaemon
from rig_pull import Queue, queue_config, start_queue

from dispatchd.model import Delivered
from dispatchd.store.sqlite import SqliteStore

STRICT = ", ordered: true, on_failed: hold, retry: {max_attempts: 1}"


async def state(queue: Queue) -> str:
    return str((await queue.admin.get("/destinations/jobs"))["state"])


async def test_an_ack_at_the_last_moment_holds_no_queue(
    start_daemon: StartDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came before the lease ran out, and is written after."""
    clock = FakeClock()
    queue = await start_queue(start_daemon, queue_config(STRICT), clock=clock)
    first, second = [await queue.daemon.accepted(BODY) for _ in range(2)]
    (item,) = await queue.claim(lease="1m")
    reached, go, written = asyncio.Event(), asyncio.Event(), asyncio.Event()
    end_lease, ran_out = SqliteStore.end_lease, SqliteStore.ran_out

    async def slow_end(
        store: Any, lease: Any, attempt: Any, verdict: Any, *rest: Any, **kw: Any
    ) -> Any:
        if not isinstance(verdict, Delivered):
            return await end_lease(store, lease, attempt, verdict, *rest, **kw)
        reached.set()
        await go.wait()
        ended = await end_lease(store, lease, attempt, verdict, *rest, **kw)
        written.set()
        return ended

    async def seen_before(store: Any, *rest: Any) -> Any:
        found = await ran_out(store, *rest)
        if found.leases:
            go.set()
            await written.wait()
        return found

    monkeypatch.setattr(SqliteStore, "end_lease", slow_end)
    monkeypatch.setattr(SqliteStore, "ran_out", seen_before)
    acking = asyncio.create_task(queue.done("ack", item["lease_id"]))
    await reached.wait()
    clock.advance(61)
    claiming = asyncio.create_task(queue.claim())
    for _ in range(20):  # whoever looks for what ran out has time to
        await queue.daemon.store.ping()
    go.set()
    assert (await acking)["status"] == "success"
    items = await claiming
    assert await state(queue) == "open"
    items = items or await queue.claim(wait="1m")
    assert [one["event_id"] for one in items] == [second]
    assert await queue.attempts(first) == [(1, None, None)]


async def test_an_ordered_queue_stops_at_what_its_transform_refuses(
    start_daemon: StartDaemon,
) -> None:
    link = "{to: jobs, transform: '$error(\"no\")', on_transform_error: fail}"
    queue = await start_queue(start_daemon, queue_config(STRICT, link=link))
    first, second = [await queue.daemon.accepted(BODY) for _ in range(2)]
    assert await queue.claim() == []
    lane = await queue.admin.get("/destinations/jobs")
    assert [hold["reason"] for hold in lane["held"]] == [f"delivery of {first} failed for good"]
    assert await queue.claim() == []
    assert [await queue.status(one) for one in (first, second)] == ["failed", "held"]
