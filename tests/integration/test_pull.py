"""Pull queues: claim, ack, nack, extend, and what runs out."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest
from locks import write_lock
from patience import HANG_S
from rig import BODY, FakeClock, StartDaemon
from rig_api import Api
from rig_pull import Queue, polls, queue_config, start_queue


async def test_a_delivery_is_claimed_whole_and_acked(queue: Queue) -> None:
    event_id = await queue.daemon.accepted(BODY, headers={"X-Own": "é", "X-GitHub-Event": "push"})
    (item,) = await queue.claim()
    assert item["event_id"] == event_id
    assert (item["endpoint"], item["event_type"], item["attempt"]) == ("my-slug", "push", 1)
    assert item["body"].encode() == BODY
    assert (item["content_type"], item["transform"]) == ("application/json", None)
    headers = {name.lower(): value for name, value in item["headers"]}
    assert headers["x-own"] == "é"
    assert "x-dispatch-signature" not in headers
    assert await queue.claim() == []
    ended = await queue.done("ack", item["lease_id"])
    assert ended == {"event_id": event_id, "attempt": 1, "status": "success", "due": None}
    assert await queue.attempts(event_id) == [(1, None, None)]
    assert await queue.status(event_id) == "success"
    (line,) = queue.daemon.log.of("attempt", event_id=event_id)
    assert (line["result"], line["destination"]) == ("success", "jobs")


async def test_a_body_that_is_no_text_comes_as_base64(start_daemon: StartDaemon) -> None:
    yaml = queue_config().replace("event_type_path: action,", "body: any,")
    queue = await start_queue(start_daemon, yaml)
    await queue.daemon.accepted(b"\xff\x00", headers={"Content-Type": "application/octet-stream"})
    (item,) = await queue.claim()
    assert base64.b64decode(item["body_base64"]) == b"\xff\x00"
    assert item["content_type"] == "application/octet-stream"
    assert "body" not in item


async def test_a_claim_that_waits_wakes_at_once(queue: Queue) -> None:
    """A minute is the longest that it could wait; the test's patience is less."""
    waiting = asyncio.create_task(queue.claim(wait="1m"))
    await polls(queue, 1)
    second = asyncio.create_task(queue.claim(most=1, wait="1m"))
    await polls(queue, 2)
    async with asyncio.timeout(HANG_S):
        first_id = await queue.daemon.accepted(BODY)
        (item,) = await waiting
        assert item["event_id"] == first_id
        second_id = await queue.daemon.accepted(BODY)
        assert [item["event_id"] for item in await second] == [second_id]
    await polls(queue, 0)


async def test_a_claim_that_waits_in_vain_is_answered_with_nothing(
    start_daemon: StartDaemon,
) -> None:
    clock = FakeClock()
    queue = await start_queue(start_daemon, clock=clock)
    waiting = asyncio.create_task(queue.claim(wait="20s"))
    await polls(queue, 1)
    await queue.daemon.pass_until(clock, waiting.done)
    assert waiting.result() == []


async def test_what_is_nacked_is_a_failed_attempt_and_comes_again(
    start_daemon: StartDaemon,
) -> None:
    clock = FakeClock()
    yaml = queue_config(", retry: {max_attempts: 2, backoff: [5s], jitter: 0}")
    queue = await start_queue(start_daemon, yaml, clock)
    event_id = await queue.daemon.accepted(BODY)
    (item,) = await queue.claim()
    ended = await queue.done("nack", item["lease_id"], reason="no paper", delay="1s")
    assert (ended["status"], ended["attempt"]) == ("retrying", 1)
    assert await queue.attempts(event_id) == [(1, "rejected", "no paper")]
    clock.advance(4)  # the backoff is the longer of the two
    assert await queue.claim() == []
    clock.advance(1)
    (item,) = await queue.claim()
    assert item["attempt"] == 2
    ended = await queue.done("nack", item["lease_id"])
    assert (ended["status"], ended["due"]) == ("failed", None)
    assert await queue.attempts(event_id) == [(1, "rejected", "no paper"), (2, "rejected", None)]
    assert await queue.status(event_id) == "failed"


async def test_a_delay_is_kept_where_it_is_longer_than_the_backoff(
    start_daemon: StartDaemon,
) -> None:
    clock = FakeClock()
    queue = await start_queue(start_daemon, clock=clock)
    await queue.daemon.accepted(BODY)
    (item,) = await queue.claim()
    await queue.done("nack", item["lease_id"], delay="10m")
    clock.advance(599)
    assert await queue.claim() == []
    clock.advance(1)
    assert len(await queue.claim()) == 1


async def test_whoever_leaves_something_wakes_the_next(start_daemon: StartDaemon) -> None:
    clock = FakeClock()
    options = ", retry: {backoff: [5s], jitter: 0}"
    queue = await start_queue(start_daemon, queue_config(options), clock)
    ids = {await queue.daemon.accepted(BODY) for _ in range(3)}
    for item in await queue.claim():
        await queue.done("nack", item["lease_id"])
    waiting = [asyncio.create_task(queue.claim(1, wait="1m")) for _ in range(3)]
    await polls(queue, 3)
    clock.advance(5)  # all of them are due, and one is woken
    assert {item["event_id"] for one in waiting for item in await one} == ids


async def test_a_lease_that_runs_out_is_a_failed_attempt(start_daemon: StartDaemon) -> None:
    clock = FakeClock()
    yaml = queue_config(", retry: {max_attempts: 2, backoff: [5s], jitter: 0}")
    queue = await start_queue(start_daemon, yaml, clock)
    event_id = await queue.daemon.accepted(BODY)
    (item,) = await queue.claim(lease="30s")
    clock.advance(29)
    assert await queue.claim() == []
    clock.advance(1)
    await queue.daemon.log.wait_for("attempt", error="lease_expired")  # nobody asks for it
    silence = "nothing was heard of it within 30 s"
    assert await queue.attempts(event_id) == [(1, "lease_expired", silence)]
    for word in ("ack", "nack", "extend"):
        status, problem = await queue.ask(word, lease_id=item["lease_id"])
        assert (status, problem["code"]) == (409, "no_lease")
    clock.advance(5)
    (again,) = await queue.claim(lease="30s")
    assert (again["event_id"], again["attempt"]) == (event_id, 2)
    assert again["lease_id"] != item["lease_id"]
    clock.advance(31)
    await queue.daemon.log.wait_for("attempt", error="lease_expired", result="failed")
    assert await queue.status(event_id) == "failed"
    assert await queue.claim() == []


async def test_a_lease_is_extended(start_daemon: StartDaemon) -> None:
    clock = FakeClock()
    queue = await start_queue(start_daemon, clock=clock)
    event_id = await queue.daemon.accepted(BODY)
    (item,) = await queue.claim(lease="30s")
    clock.advance(20)
    extended = await queue.done("extend", item["lease_id"], lease="1m")
    assert (extended["event_id"], extended["lease_id"]) == (event_id, item["lease_id"])
    shorter = await queue.done("extend", item["lease_id"], lease="1s")
    assert shorter == extended  # none is cut short
    clock.advance(59)
    assert await queue.claim() == []
    await queue.done("ack", item["lease_id"])
    assert await queue.attempts(event_id) == [(1, None, None)]


async def test_a_lease_is_ended_once(queue: Queue) -> None:
    event_id = await queue.daemon.accepted(BODY)
    (item,) = await queue.claim()
    answers = await asyncio.gather(
        *(queue.ask(word, lease_id=item["lease_id"]) for word in ("ack", "nack", "ack", "nack"))
    )
    assert sorted(status for status, _ in answers) == [200, 409, 409, 409]
    assert len(await queue.attempts(event_id)) == 1


async def test_a_restart_keeps_the_leases(start_daemon: StartDaemon) -> None:
    clock = FakeClock()
    queue = await start_queue(start_daemon, clock=clock)
    first, second = [await queue.daemon.accepted(BODY) for _ in range(2)]
    kept, lost = await queue.claim(lease="1m")
    await start_daemon.stop(queue.daemon)  # type: ignore[attr-defined]
    clock.advance(30)
    queue = await start_queue(start_daemon, clock=clock)
    assert await queue.claim() == []
    await queue.done("ack", kept["lease_id"])
    clock.advance(30)
    await queue.daemon.log.wait_for("attempt", error="lease_expired")
    assert (await queue.ask("ack", lease_id=lost["lease_id"]))[0] == 409
    assert [await queue.status(one) for one in (first, second)] == ["success", "retrying"]


async def test_what_is_wrong_with_a_request_is_told(queue: Queue) -> None:
    wrong: list[tuple[str, dict[str, Any], str]] = [
        ("claim", {"max": 0}, "max"),
        ("claim", {"max": 101}, "max"),
        ("claim", {"lease": "999ms"}, "lease"),
        ("claim", {"lease": "13h"}, "lease"),
        ("claim", {"wait": "61s"}, "wait"),
        ("claim", {"wait": "soon"}, "wait"),
        ("ack", {}, "lease_id"),
        ("nack", {"lease_id": "x", "delay": "25h"}, "delay"),
        ("nack", {"lease_id": "x", "reason": "y" * 1001}, "reason"),
        ("extend", {"lease_id": "x", "lease": "0s"}, "lease"),
    ]
    for word, body, name in wrong:
        status, problem = await queue.ask(word, **body)
        assert (status, problem["code"]) == (400, "invalid"), body
        assert [flaw["name"] for flaw in problem["errors"]] == [name]
    assert (await queue.ask("ack", lease_id="x"))[0] == 409
    admin = queue.admin
    for path in ("/api/v1/pull/nothing/claim", "/api/v1/pull/my-slug/claim"):
        status, problem, _ = await admin.ask("POST", path, json={})
        assert (status, problem["code"]) == (404, "not_found")


async def test_a_lease_of_another_queue_is_none_of_this_one(queue: Queue) -> None:
    await queue.daemon.accepted(BODY)
    (item,) = await queue.claim()
    other = Queue(queue.daemon, "others", None)
    path = "/api/v1/pull/others/ack"
    body = {"lease_id": item["lease_id"]}
    status, problem, _ = await other.admin.ask("POST", path, json=body)
    assert (status, problem["code"]) == (409, "no_lease")
    await queue.done("ack", item["lease_id"])


async def test_claims_that_wait_are_bounded(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatchd.admin.api.pull.POLLS_MAX", 2)
    waiting = [asyncio.create_task(queue.claim(wait="1m")) for _ in range(2)]
    await polls(queue, 2)
    status, problem = await queue.ask("claim", wait="1s")
    assert (status, problem["code"]) == (429, "too_many_polls")
    assert await queue.claim() == []  # one that does not wait
    await queue.daemon.accepted(BODY)
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    assert len(done) == 1
    await queue.daemon.accepted(BODY)
    await asyncio.gather(*waiting)


async def test_a_stop_answers_whoever_waits(start_daemon: StartDaemon) -> None:
    queue = await start_queue(start_daemon)
    waiting = asyncio.create_task(queue.claim(wait="1m"))
    await polls(queue, 1)
    await queue.daemon.app.stop()
    assert await waiting == []


async def test_a_consumer_that_has_gone_is_handed_nothing(queue: Queue) -> None:
    """What it was handed would be nobody's until its lease ran out."""
    reader, writer = await asyncio.open_connection("127.0.0.1", queue.daemon.app.admin_port)
    body = b'{"wait":"1m"}'
    writer.write(
        b"POST /api/v1/pull/jobs/claim HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer dsp_the-key-of-the-queue\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    await polls(queue, 1)
    waiting = asyncio.create_task(queue.claim(wait="1m"))
    await polls(queue, 2)
    writer.close()
    await writer.wait_closed()
    event_id = await queue.daemon.accepted(BODY)
    assert [one["event_id"] for one in await waiting] == [event_id]
    assert (await reader.read()) == b""


async def test_a_queue_is_seen_like_every_destination(queue: Queue) -> None:
    await queue.daemon.accepted(BODY)
    await queue.daemon.accepted(BODY)
    await queue.claim(1)
    lane = await queue.admin.get("/destinations/jobs")
    assert (lane["state"], lane["backlog"], lane["leased"]) == ("open", 2, 1)
    _, text, _ = await queue.admin.ask("GET", "/metrics")
    assert b'dispatchd_backlog_deliveries{destination="jobs"} 2.0' in text
    assert b'dispatchd_leased_deliveries{destination="jobs"} 1.0' in text
    problem = await queue.admin.post("/destinations/jobs/test", status=409)
    assert problem["code"] == "is_a_queue"


async def test_what_a_consumer_would_be_handed_is_explained(start_daemon: StartDaemon) -> None:
    link = "{to: jobs, transform: '{\"did\": action}'}"
    queue = await start_queue(start_daemon, queue_config(link=link))
    event_id = await queue.daemon.accepted(BODY)
    told = await queue.admin.get(f"/events/{event_id}/explain")
    (found,) = told["links"]
    assert (found["destination"], found["goes"], found["url"]) == ("jobs", True, "")
    assert (found["transform"], found["body"]) == ("applied", '{"did":"opened"}')
    assert "headers" not in found


async def test_a_database_in_trouble_loses_nothing(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    queue = await start_queue(start_daemon)
    ids = [await queue.daemon.accepted(BODY) for _ in range(2)]
    (item,) = await queue.claim(1)
    with write_lock(tmp_path / "dispatchd.db"):
        for word, body in (("claim", {}), ("ack", {"lease_id": item["lease_id"]})):
            status, problem = await queue.ask(word, **body)
            assert (status, problem["code"]) == (503, "unavailable_locked")
    await queue.daemon.log.wait_for("storage_recovered")
    await queue.done("ack", item["lease_id"])
    (item,) = await queue.claim()
    assert (item["event_id"], item["attempt"]) == (ids[1], 1)


async def test_a_key_opens_its_queue_and_nothing_else(queue: Queue) -> None:
    api = Api(queue.daemon, queue.key)
    assert await queue.claim() == []
    paths = [
        ("POST", "/api/v1/pull/others/claim"),
        ("GET", "/api/v1/destinations"),
        ("GET", "/api/v1/pull/jobs/claim"),
        ("GET", "/api/v1/openapi.json"),
        ("GET", "/metrics"),
        ("GET", "/api/v1/nothing"),
        ("POST", "/api/v1/pull/jobs/claim/"),
        ("POST", "/api/v1/pull/jobs/../others/claim"),
        ("POST", "/api/v1/destinations/jobs/pause"),
    ]
    for method, path in paths:
        status, problem, _ = await api.ask(method, path, json={} if method == "POST" else None)
        assert (status, problem["code"]) == (403, "another_key"), path
    assert (await api.ask("GET", "/healthz"))[1] == {"status": "ok"}
    status, _, _ = await queue.daemon.post(
        BODY, secret=None, headers={"Authorization": f"Bearer {queue.key}"}
    )
    assert status == 401  # nor does it prove a sender
    status, _, _ = await api.ask("POST", "/login", data={"token": queue.key})
    assert status == 401
    assert str(queue.key) not in str(queue.daemon.log.lines)
