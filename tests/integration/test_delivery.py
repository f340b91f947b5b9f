"""Delivery over real HTTP: what is sent, what counts as success, and whom it waits for."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from rig import BODY, FakeClock, Sink, StartDaemon, always, holding, simple_config

from dispatchd import __version__
from dispatchd.model import DeliveryStatus


async def test_the_newcomers_minute(start_daemon: StartDaemon, sink: Sink) -> None:
    daemon = await start_daemon(simple_config(sink))
    event_id = await daemon.accepted(BODY)
    await sink.wait_for(1)
    headers, body = sink.received[0]
    assert body == BODY
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Dispatch-Event-ID"] == event_id
    assert uuid.UUID(headers["X-Dispatch-Endpoint-ID"])
    assert headers["X-Dispatch-Attempt"] == "1"
    assert headers["User-Agent"] == f"dispatchd/{__version__}"
    assert "X-Dispatch-Signature" not in headers
    await daemon.log.wait_for("attempt", result="success")
    story = await daemon.story(event_id)
    assert [d.status for d in story.deliveries] == ["success"]
    (attempt,) = story.attempts
    assert (attempt.number, attempt.status_code, attempt.error) == (1, 200, None)
    assert attempt.response_head == b"ok"
    assert attempt.latency_ms > 0
    assert ("Content-Length", "2") in attempt.response_headers


async def test_headers_prefix_and_overrides(start_daemon: StartDaemon, sink: Sink) -> None:
    daemon = await start_daemon(
        "header_prefix: acme-hooks\n"
        + simple_config(sink, ", headers: {X-Env: prod, user-agent: mine/1}")
    )
    event_id = await daemon.accepted(BODY)
    await sink.wait_for(1)
    headers = sink.received[0][0]
    assert headers["X-Acme-Hooks-Event-ID"] == event_id
    assert (headers["X-Env"], headers["User-Agent"]) == ("prod", "mine/1")
    assert not any(name.startswith("X-Dispatch") for name in headers)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirects_are_not_followed(
    start_daemon: StartDaemon, sink: Sink, status: int
) -> None:
    sink.answer = always(status, headers={"Location": sink.url + "elsewhere"})
    daemon = await start_daemon(simple_config(sink))
    await daemon.accepted(BODY)
    (line,) = await daemon.log.wait_for("attempt", number=1)
    assert (line["error"], line["result"]) == ("redirect", "retrying")
    assert len(sink.received) == 1


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_is_success(start_daemon: StartDaemon, sink: Sink, status: int) -> None:
    sink.answer = always(status)
    daemon = await start_daemon(simple_config(sink))
    await daemon.accepted(BODY)
    await daemon.log.wait_for("attempt", result="success", status_code=status)


async def test_event_types_on_destination_and_link(
    start_daemon: StartDaemon, sink_factory: Callable[[], Awaitable[Sink]]
) -> None:
    issues, wide, narrow = [await sink_factory() for _ in range(3)]
    daemon = await start_daemon(f"""
    endpoints:
      my-slug:
        auth: none
        event_type_path: type
        destinations:
          - issues
          - {{to: wide, event_types: ["*.created", "ping"]}}
          - {{to: narrow, event_types: ["issue.*"]}}
    destinations:
      issues: {{url: '{issues.url}', event_types: ["issue.?reated", issue.closed]}}
      wide: {{url: '{wide.url}'}}
      narrow: {{url: '{narrow.url}', event_types: [issue.closed]}}
    """)
    for kind in ("issue.created", "issue.closed", "pull.created", "ping", "other"):
        await daemon.accepted(b'{"type":"%s"}' % kind.encode())
    await daemon.accepted(b"{}")
    await daemon.log.wait_for("attempt", count=6, result="success")
    bodies = [sorted(body.decode()[9:-2] for _, body in s.received) for s in (issues, wide, narrow)]
    assert bodies == [
        ["issue.closed", "issue.created"],
        ["issue.created", "ping", "pull.created"],
        ["issue.closed"],
    ]


async def test_a_held_destination_waits_and_goes_on(start_daemon: StartDaemon, sink: Sink) -> None:
    sink.answer = always(500)
    daemon = await start_daemon(simple_config(sink))
    event_id = await daemon.accepted(BODY)
    await daemon.log.wait_for("attempt")
    await start_daemon.stop(daemon)  # type: ignore[attr-defined]

    daemon = await start_daemon("endpoints: {my-slug: {auth: none}}")
    assert daemon.log.of("destination_held", destination="crm")
    story = await daemon.story(event_id)
    assert [d.status for d in story.deliveries] == [DeliveryStatus.HELD]
    assert story.held == {"crm": "not in the config"}
    await start_daemon.stop(daemon)  # type: ignore[attr-defined]

    sink.answer = always(200)
    clock = FakeClock()
    clock.advance(3600)
    daemon = await start_daemon(simple_config(sink), clock=clock)
    await daemon.log.wait_for("attempt", result="success", number=2)


async def test_one_hanging_destination_slows_no_other(
    start_daemon: StartDaemon, sink_factory: Callable[[], Awaitable[Sink]]
) -> None:
    hanging, good = await sink_factory(), await sink_factory()
    release = asyncio.Event()
    hanging.answer = holding(release)
    daemon = await start_daemon(f"""
    endpoints:
      my-slug: {{auth: none, destinations: [hanging, good]}}
    destinations:
      hanging: {{url: '{hanging.url}', max_in_flight: 2}}
      good: {{url: '{good.url}'}}
    """)
    for n in range(40):
        await daemon.accepted(b"%d" % n, secret=None)
    await good.wait_for(40)
    assert len(hanging.received) == 2  # max_in_flight, and no more
    release.set()
    await hanging.wait_for(40)
    await daemon.log.wait_for("attempt", count=40, destination="hanging", result="success")


async def test_a_burst_larger_than_memory_holds_arrives_once_each(
    start_daemon: StartDaemon, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatchd.deliver.backlog.READY_MAX", 5)
    monkeypatch.setattr("dispatchd.deliver.lane.CLAIM_MAX", 7)
    daemon = await start_daemon(simple_config(sink, ", max_in_flight: 3"))
    ids = await asyncio.gather(*(daemon.accepted(b"%d" % n) for n in range(200)))
    await sink.wait_for(200)
    await daemon.log.wait_for("attempt", count=200, result="success")
    assert sorted(sink.event_ids()) == sorted(ids)


async def test_secrets_echoed_by_a_destination_are_blacked_out(
    start_daemon: StartDaemon, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_TOKEN", "s3cret-crm-token")

    async def echo(request: web.Request, _count: int) -> web.Response:
        sent = request.headers["Authorization"]
        return web.Response(
            status=400, text=f"bad token {sent}", headers={"X-Echo": sent, "Set-Cookie": "a=b"}
        )

    sink.answer = echo
    daemon = await start_daemon(
        simple_config(sink, ', headers: {Authorization: "Bearer ${CRM_TOKEN}"}')
    )
    event_id = await daemon.accepted(BODY)
    await daemon.log.wait_for("attempt")
    assert sink.received[0][0]["Authorization"] == "Bearer s3cret-crm-token"
    story = await daemon.story(event_id)
    assert "s3cret" not in repr(story) + repr(daemon.log.lines)
    assert "Set-Cookie" not in dict(story.attempts[0].response_headers)
    assert b"bad token" in story.attempts[0].response_head
