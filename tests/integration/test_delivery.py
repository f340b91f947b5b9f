"""Delivery over real HTTP: what is sent, what counts as success, when it is tried again."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from aiohttp import web
from replays import replayed
from rig import (
    Daemon,
    FakeClock,
    Sink,
    StartDaemon,
    always,
    failing_first,
    holding,
    simple_config,
)

from dispatchd import __version__
from dispatchd.model import DeliveryStatus
from dispatchd.store.jobs import ReplayQuery

BODY = b'{ "action" : "opened",\n "n": 1.0, "u":"\\u00e9" }'
NO_JITTER = ", retry: {jitter: 0}"


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


async def test_the_whole_schedule(start_daemon: StartDaemon, sink: Sink) -> None:
    """Seven attempts: 1 s, 5 s, 30 s, 2 min, 15 min, 1 h apart; then failed, and replayable."""
    clock = FakeClock()
    sink.answer = always(503, text="busy")
    daemon = await start_daemon(simple_config(sink, NO_JITTER), clock=clock)
    event_id = await daemon.accepted(BODY)
    for number, gap_s in enumerate([1, 5, 30, 120, 900, 3600], start=1):
        (line,) = await daemon.log.wait_for("attempt", number=number)
        assert line["result"] == "retrying"
        assert line["due_ms"] - clock.now_ms() == gap_s * 1000
        clock.advance(gap_s - 0.5)
        await daemon.store.ping()
        assert len(sink.received) == number
        clock.advance(0.5)
    await daemon.log.wait_for("attempt", result="failed", number=7)
    story = await daemon.story(event_id)
    assert [a.number for a in story.attempts] == [1, 2, 3, 4, 5, 6, 7]
    assert {a.error for a in story.attempts} == {"http_error"}
    assert [d.status for d in story.deliveries] == ["failed"]
    assert [h["X-Dispatch-Attempt"] for h, _ in sink.received] == list("1234567")
    assert set(sink.event_ids()) == {event_id}

    sink.answer = always(200)
    assert await replayed(daemon.store, ReplayQuery([event_id]), clock.now_ms()) == 1
    clock.advance(1.0)  # a running daemon notices within a second
    await daemon.log.wait_for("attempt", result="success", number=8)


async def test_retry_after_postpones(start_daemon: StartDaemon, sink: Sink) -> None:
    clock = FakeClock()
    when = datetime.fromtimestamp(clock.now_ms() // 1000 + 90, UTC)
    answers = {1: {"Retry-After": "60"}, 2: {"Retry-After": format_datetime(when, usegmt=True)}}

    async def answer(_request: web.Request, count: int) -> web.Response:
        return web.Response(status=429 if count <= 2 else 200, headers=answers.get(count, {}))

    sink.answer = answer
    daemon = await start_daemon(simple_config(sink, NO_JITTER), clock=clock)
    await daemon.accepted(BODY)
    (first,) = await daemon.log.wait_for("attempt", number=1)
    assert first["due_ms"] == clock.now_ms() + 60_000
    clock.advance(60)
    (second,) = await daemon.log.wait_for("attempt", number=2)
    assert second["due_ms"] == when.timestamp() * 1000
    clock.advance(31)
    await daemon.log.wait_for("attempt", number=3, result="success")


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


TRANSFORM = """
endpoints:
  my-slug:
    auth: none
    destinations:
      - to: crm
        transform: '{expression}'
        on_transform_error: {on_error}
destinations:
  crm: {{url: '{url}', retry: {{jitter: 0}}}}
"""


async def transformed(
    start_daemon: StartDaemon, sink: Sink, expression: str, body: bytes, on_error: str = "send"
) -> tuple[Daemon, str]:
    daemon = await start_daemon(
        TRANSFORM.format(expression=expression, on_error=on_error, url=sink.url)
    )
    event_id = await daemon.accepted(body, secret=None)
    await daemon.log.wait_for("attempt")
    return daemon, event_id


async def test_a_transform_is_sent_instead(start_daemon: StartDaemon, sink: Sink) -> None:
    daemon, event_id = await transformed(start_daemon, sink, '{"did": action}', BODY)
    assert sink.received[0][1] == b'{"did":"opened"}'
    story = await daemon.story(event_id)
    assert story.attempts[0].transform == "applied"
    assert story.event.body == BODY


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("nothing.here", "yielded nothing"),
        ('$error("no")', "failed"),
        ("( $f := function(){$f()}; $f() )", "failed"),
        ("( $f := function($n){1 + $f($n)}; $f(1) )", "failed"),
        ("$sum([1..9999999])", "failed"),
        ("$count($distinct([1..200000]))", "failed"),
        ('$pad("a", 900000000)', "failed"),
    ],
)
async def test_a_failing_transform_sends_the_original_and_says_so(
    start_daemon: StartDaemon, sink: Sink, expression: str, said: str
) -> None:
    daemon, event_id = await transformed(start_daemon, sink, expression, BODY)
    assert sink.received[0][1] == BODY
    note = (await daemon.story(event_id)).attempts[0].transform
    assert note is not None
    assert said in note


async def test_a_transform_of_198_elements_and_more_is_applied(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    items = [{"sku": f"s{n}", "price": 2, "quantity": n, "secret": "x"} for n in range(10_000)]
    expression = '$map(line_items, function($l){{"sku": $l.sku, "total": $l.price * $l.quantity}})'
    body = json.dumps({"line_items": items}).encode()
    await transformed(start_daemon, sink, expression, body)
    assert json.loads(sink.received[0][1]) == [
        {"sku": f"s{n}", "total": 2 * n} for n in range(10_000)
    ]


FORM = """
endpoints:
  my-slug:
    auth: none
    body: {bodies}
    filter: 'body.action = "opened"'
    destinations: [{{to: crm, transform: '{{"did": action}}'}}]
destinations: {{crm: {{url: '{url}'}}}}
"""
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("bodies", "body"),
    [
        ("form", b"payload=%7B%22action%22%3A%22opened%22%7D"),
        ("form", b"action=opened&x=1"),
        ("any", b"action=opened"),
        ("json", b'{"action":"opened"}'),
    ],
)
async def test_a_transform_sees_of_a_form_what_a_filter_sees(
    start_daemon: StartDaemon, sink: Sink, bodies: str, body: bytes
) -> None:
    daemon = await start_daemon(FORM.format(bodies=bodies, url=sink.url))
    await daemon.accepted(body, secret=None, headers=URLENCODED)
    (line,) = await daemon.log.wait_for("attempt")
    assert (line["transform"], sink.received[0][1]) == ("applied", b'{"did":"opened"}')
    assert "notes" not in daemon.log.of("event")[0]


async def test_on_transform_error_fail_ends_the_delivery(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    daemon, event_id = await transformed(start_daemon, sink, "nothing.here", BODY, "fail")
    story = await daemon.story(event_id)
    assert [d.status for d in story.deliveries] == ["failed"]
    assert story.attempts[0].error == "transform_error"
    assert sink.received == []


async def test_a_runaway_transform_delays_no_other_destination(
    start_daemon: StartDaemon, sink_factory: Callable[[], Awaitable[Sink]]
) -> None:
    slow, quick = await sink_factory(), await sink_factory()
    daemon = await start_daemon(f"""
    endpoints:
      my-slug:
        auth: none
        destinations:
          - {{to: slow, transform: "$count($distinct([1..200000]))"}}
          - {{to: quick, transform: '{{"a": a}}'}}
    destinations:
      slow: {{url: '{slow.url}'}}
      quick: {{url: '{quick.url}'}}
    """)
    for n in range(5):
        await daemon.accepted(b'{"a":%d}' % n, secret=None)
    await quick.wait_for(5)
    assert len(slow.received) < 5  # they take their half second each, on their own
    await slow.wait_for(5)
    assert {body for _, body in quick.received} == {b'{"a":%d}' % n for n in range(5)}


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


async def test_a_dead_destination_is_paced_and_recovers(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    sink.answer = failing_first(33)
    clock = FakeClock()
    daemon = await start_daemon(simple_config(sink, NO_JITTER), clock=clock)
    for n in range(40):
        await daemon.accepted(b"%d" % n)
    await daemon.log.wait_for("lane_paced")
    await daemon.pass_until(clock, lambda: daemon.log.of("lane_recovered"), step_s=0.2)
    clock.advance(10)
    await daemon.log.wait_for("attempt", count=40, result="success")


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


async def test_a_clock_set_back_postpones_nothing(start_daemon: StartDaemon, sink: Sink) -> None:
    clock = FakeClock()
    sink.answer = failing_first(1)
    daemon = await start_daemon(
        simple_config(sink, ", retry: {jitter: 0, backoff: [10s]}"), clock=clock
    )
    await daemon.accepted(BODY)
    await daemon.log.wait_for("attempt", number=1)
    clock.set_wall(-86_400)
    clock.advance(1.0)
    (line,) = await daemon.log.wait_for("clock_jump")
    assert line["jump_ms"] == -86_400_000
    assert not line["while_down"]
    for _ in range(10):
        clock.advance(1.0)
        await daemon.store.ping()
    await daemon.log.wait_for("attempt", number=2, result="success")


async def test_sigterm_drains_what_is_in_flight(start_daemon: StartDaemon, sink: Sink) -> None:
    release = asyncio.Event()
    sink.answer = holding(release)
    daemon = await start_daemon(simple_config(sink))
    event_id = await daemon.accepted(BODY)
    await sink.wait_for(1)
    stopping = asyncio.create_task(daemon.app.stop())
    await daemon.log.wait_for("stopping")
    release.set()
    await stopping
    story = await daemon.story(event_id)
    assert [d.status for d in story.deliveries] == ["success"]


async def test_a_drain_is_bounded_and_what_it_cut_is_sent_again(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    never = asyncio.Event()
    sink.answer = holding(never)
    daemon = await start_daemon(simple_config(sink), drain_s=0.05)
    event_id = await daemon.accepted(BODY)
    await sink.wait_for(1)
    await start_daemon.stop(daemon)  # type: ignore[attr-defined]
    assert daemon.log.of("drain_cut", deliveries=1)
    never.set()
    daemon = await start_daemon(simple_config(sink))
    await daemon.log.wait_for("attempt", result="success", number=1)
    assert sink.event_ids() == [event_id, event_id]
