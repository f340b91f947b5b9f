"""Pull queues where two things happen at once, or something goes wrong in between."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from rig import BODY, FakeClock, Sink, StartDaemon, holding
from rig_pull import KEY, Queue, digest, polls, queue_config, start_queue

from dispatchd.model import Delivered, HoldKind
from dispatchd.store.sqlite import SqliteStore

STRICT = ", ordered: true, on_failed: hold, retry: {max_attempts: 1}"


async def state(queue: Queue) -> str:
    return str((await queue.admin.get("/destinations/jobs"))["state"])


def slow_claims(monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Event, asyncio.Event]:
    """Have looks into the store take long: until the second event, once the first is set."""
    looked, go = asyncio.Event(), asyncio.Event()
    claim = SqliteStore.claim

    async def slow_claim(store: Any, *rest: Any) -> Any:
        claimed = await claim(store, *rest)
        looked.set()
        await go.wait()
        return claimed

    monkeypatch.setattr(SqliteStore, "claim", slow_claim)
    return looked, go


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


async def test_a_claim_during_another_is_not_told_that_nothing_is_due(
    start_daemon: StartDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not wait for something to become due, but it does for its turn."""
    queue = await start_queue(start_daemon)
    ids = [await queue.daemon.accepted(BODY) for _ in range(2)]
    looked, go = slow_claims(monkeypatch)
    claims = [asyncio.create_task(queue.claim(1))]
    await looked.wait()
    claims.append(asyncio.create_task(queue.claim(1)))
    await polls(queue, 2)
    go.set()
    assert [item["event_id"] for one in claims for item in await one] == ids


async def test_a_queue_that_becomes_ordered_during_a_claim_hands_out_one(
    start_daemon: StartDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = await start_queue(start_daemon)
    first, second = [await queue.daemon.accepted(BODY) for _ in range(2)]
    looked, go = slow_claims(monkeypatch)
    claiming = asyncio.create_task(queue.claim())
    await looked.wait()
    path = tmp_path / "config.yaml"
    path.write_text(
        path.read_text().replace("jobs: {type: pull", "jobs: {type: pull, ordered: true")
    )
    assert (await queue.daemon.app.reload()).problems == ()
    go.set()
    assert [item["event_id"] for item in await claiming] == [first]
    assert await queue.status(second) == "queued"


async def test_a_queue_that_leaves_the_config_during_a_claim_hands_out_nothing(
    start_daemon: StartDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody could ack any more would be lost to everybody until its lease ran out."""
    queue = await start_queue(start_daemon)
    event_id = await queue.daemon.accepted(BODY)
    looked, go = slow_claims(monkeypatch)
    claiming = asyncio.create_task(queue.claim())
    await looked.wait()
    path = tmp_path / "config.yaml"
    was = path.read_text()
    without = was.replace("  jobs: {type: pull}\n", "").replace(
        "destinations: [jobs]", "destinations: []"
    )
    path.write_text("\n".join(line for line in without.splitlines() if "pull: jobs" not in line))
    assert (await queue.daemon.app.reload()).problems == ()
    go.set()
    assert await claiming == []
    monkeypatch.undo()
    path.write_text(was)
    assert (await queue.daemon.app.reload()).problems == ()
    assert [item["event_id"] for item in await queue.claim(wait="1m")] == [event_id]


async def test_a_claim_goes_past_what_is_not_handed_over(start_daemon: StartDaemon) -> None:
    """An empty answer says that nothing is due."""
    link = "{to: jobs, transform: 'n = 1 ? $error(\"no\") : n', on_transform_error: fail}"
    queue = await start_queue(start_daemon, queue_config(link=link))
    ids = [await queue.daemon.accepted(b'{"n": %d}' % n) for n in (1, 1, 2)]
    assert [item["event_id"] for item in await queue.claim(1)] == ids[2:]
    assert await queue.claim() == []


async def test_a_claim_that_waits_with_a_key_that_is_taken_away_gets_nothing(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    queue = await start_queue(start_daemon)
    waiting = asyncio.create_task(queue.claim(wait="1m"))
    await polls(queue, 1)
    path = tmp_path / "config.yaml"
    path.write_text(path.read_text().replace(digest(KEY), digest("dsp_another")))
    assert (await queue.daemon.app.reload()).problems == ()
    event_id = await queue.daemon.accepted(BODY)
    assert await waiting == []
    assert (await queue.ask("claim"))[0] == 401
    another = Queue(queue.daemon, key="dsp_another")
    assert [item["event_id"] for item in await another.claim(wait="1m")] == [event_id]


async def test_who_is_answered_by_a_stop_asks_nothing_more_on_that_connection(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    """It is closed as soon as the lanes have ended: the next claim on it would find nobody."""
    yaml = queue_config(link="jobs, crm").replace(
        "  others: {", f"  crm: {{url: '{sink.url}'}}\n  others: {{"
    )
    release = asyncio.Event()
    sink.answer = holding(release)
    queue = await start_queue(start_daemon, yaml)
    await queue.daemon.accepted(BODY)
    await queue.claim()
    await sink.wait_for(1)  # what is under way there holds up the stop
    path, body = "/api/v1/pull/jobs/claim", {"wait": "1m"}
    waiting = asyncio.create_task(queue.admin.ask("POST", path, json=body))
    await polls(queue, 1)
    stopping = asyncio.create_task(queue.daemon.app.stop())
    status, document, headers = await waiting
    assert (status, document, headers["Connection"]) == (200, {"items": []}, "close")
    release.set()
    await stopping


async def test_a_queue_that_comes_back_during_a_claim_hears_first_that_it_is_paused(
    start_daemon: StartDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = await start_queue(start_daemon)
    await queue.daemon.accepted(BODY)
    looked, go = slow_claims(monkeypatch)
    claiming = asyncio.create_task(queue.claim())
    await looked.wait()
    path = tmp_path / "config.yaml"
    was = path.read_text()
    without = was.replace("  jobs: {type: pull}\n", "").replace("[jobs]", "[]")
    path.write_text("\n".join(line for line in without.splitlines() if "pull: jobs" not in line))
    assert (await queue.daemon.app.reload()).problems == ()
    path.write_text(was)
    lane_states, may_read = SqliteStore.lane_states, asyncio.Event()

    async def slow_states(store: Any) -> Any:
        await may_read.wait()
        return await lane_states(store)

    monkeypatch.setattr(SqliteStore, "lane_states", slow_states)
    await queue.daemon.store.hold_lane("jobs", HoldKind.PAUSED, "so", 1)
    assert (await queue.daemon.app.reload()).problems == ()
    go.set()
    assert await claiming == []
    may_read.set()
    await queue.daemon.log.wait_for("lane_held", destination="jobs")
    assert await queue.claim() == []
    await queue.admin.post("/destinations/jobs/resume")
    assert len(await queue.claim(wait="1m")) == 1
