"""Pull queues: in which order, and as what, deliveries are handed out."""

import asyncio
from typing import Any

from rig import BODY, FakeClock, StartDaemon
from rig_pull import Queue, polls, queue_config, start_queue


async def test_an_ordered_queue_hands_out_one_at_a_time(start_daemon: StartDaemon) -> None:
    clock = FakeClock()
    options = ", ordered: true, retry: {max_attempts: 2, backoff: [5s], jitter: 0}"
    queue = await start_queue(start_daemon, queue_config(options), clock)
    ids = [await queue.daemon.accepted(BODY) for _ in range(3)]
    (item,) = await queue.claim()
    assert item["event_id"] == ids[0]
    waiting = asyncio.create_task(queue.claim(wait="1m"))
    await polls(queue, 1)
    await queue.done("nack", item["lease_id"])
    await queue.daemon.pass_until(clock, waiting.done)
    (item,) = waiting.result()
    assert (item["event_id"], item["attempt"]) == (ids[0], 2)  # it holds the others
    waiting = asyncio.create_task(queue.claim(wait="1m"))
    await polls(queue, 1)
    await queue.done("nack", item["lease_id"])  # for good: the next one may go, at once
    (item,) = await waiting
    assert item["event_id"] == ids[1]
    await queue.done("ack", item["lease_id"])
    assert [one["event_id"] for one in await queue.claim()] == [ids[2]]


async def test_an_ordered_queue_may_stop_at_what_failed(start_daemon: StartDaemon) -> None:
    options = ", ordered: true, on_failed: hold, retry: {max_attempts: 1}"
    queue = await start_queue(start_daemon, queue_config(options))
    first, second = [await queue.daemon.accepted(BODY) for _ in range(2)]
    (item,) = await queue.claim()
    await queue.done("nack", item["lease_id"])
    assert await queue.claim() == []
    lane = await queue.admin.get("/destinations/jobs")
    assert lane["held"][0]["reason"] == f"delivery of {first} failed for good"
    await queue.admin.post("/destinations/jobs/resume")
    assert [one["event_id"] for one in await queue.claim(wait="1m")] == [second]


async def test_a_paused_queue_hands_out_nothing(start_daemon: StartDaemon) -> None:
    clock = FakeClock()
    queue = await start_queue(start_daemon, clock=clock)
    await queue.daemon.accepted(BODY)
    (item,) = await queue.claim()
    event_id = await queue.daemon.accepted(BODY)
    await queue.admin.post("/destinations/jobs/pause", {"reason": "so"})
    await queue.daemon.log.wait_for("lane_held")
    waiting = asyncio.create_task(queue.claim(wait="20s"))
    await polls(queue, 1)
    await queue.daemon.pass_until(clock, waiting.done)
    assert waiting.result() == []
    await queue.done("ack", item["lease_id"])  # what is handed out may end
    waiting = asyncio.create_task(queue.claim(wait="20s"))
    await polls(queue, 1)
    await queue.admin.post("/destinations/jobs/resume")
    assert [one["event_id"] for one in await waiting] == [event_id]
    assert [number for number, _, _ in await queue.attempts(event_id)] == []


async def test_a_transform_is_handed_over(start_daemon: StartDaemon) -> None:
    link = "{to: jobs, transform: '{\"did\": action}'}"
    queue = await start_queue(start_daemon, queue_config(link=link))
    event_id = await queue.daemon.accepted(BODY)
    (item,) = await queue.claim()
    assert (item["body"], item["transform"]) == ('{"did":"opened"}', "applied")
    assert item["content_type"] == "application/json"
    await queue.done("nack", item["lease_id"])
    story = await queue.admin.get(f"/events/{event_id}")
    (attempt,) = story["deliveries"][0]["attempts"]
    assert (attempt["transform"], attempt["error"]) == ("applied", "rejected")


async def test_what_a_transform_refuses_is_not_handed_over(start_daemon: StartDaemon) -> None:
    link = "{to: jobs, transform: '$error(\"no\")', on_transform_error: fail}"
    queue = await start_queue(start_daemon, queue_config(link=link))
    refused = await queue.daemon.accepted(BODY)
    assert await queue.claim() == []
    assert await queue.status(refused) == "failed"
    ((number, error, _),) = await queue.attempts(refused)
    assert (number, error) == (1, "transform_error")


async def test_what_was_handed_over_is_handed_over_again_as_it_was(
    start_daemon: StartDaemon,
) -> None:
    link = "{to: jobs, transform: '{\"at\": $millis()}'}"
    queue = await start_queue(start_daemon, queue_config(link=link))
    event_id = await queue.daemon.accepted(BODY)
    (item,) = await queue.claim()
    await queue.done("ack", item["lease_id"])
    await queue.admin.post("/jobs", {"event_ids": [event_id], "as_sent": True}, 201)
    (again,) = await queue.claim(wait="1m")
    assert (again["body"], again["attempt"]) == (item["body"], 2)
    assert again["transform"] == "as it was sent before"


async def test_a_replay_of_what_is_leased_waits_for_the_lease(start_daemon: StartDaemon) -> None:
    clock = FakeClock()
    queue = await start_queue(start_daemon, clock=clock)
    event_id = await queue.daemon.accepted(BODY)
    (item,) = await queue.claim(lease="1m")
    job = await queue.admin.post("/jobs", {"event_ids": [event_id]}, 201)
    await queue.daemon.log.wait_for("job_ended", job=job["job"])
    assert await queue.claim() == []  # nobody else is handed it
    waiting = asyncio.create_task(queue.claim(wait="30s"))
    await polls(queue, 1)
    await queue.done("ack", item["lease_id"])
    (again,) = await waiting  # at once
    assert (again["event_id"], again["attempt"]) == (event_id, 2)
    await queue.done("ack", again["lease_id"])
    assert [one[:2] for one in await queue.attempts(event_id)] == [(1, None), (2, None)]


async def test_an_answer_is_bounded_in_bytes(queue: Queue) -> None:
    body = b'{"a":"' + b"x" * 400_000 + b'"}'
    ids = [await queue.daemon.accepted(body) for _ in range(3)]
    large = await queue.daemon.accepted(b'{"a":"' + b"x" * 2_000_000 + b'"}')
    found: list[list[Any]] = []
    while len([one for claim in found for one in claim]) < 4:
        found.append([item["event_id"] for item in await queue.claim(100)])
    assert found == [ids[:2], ids[2:], [large]]
