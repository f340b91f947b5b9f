"""Transforms over real HTTP: what is sent in place of the body, and what when there is nothing."""

import json
from collections.abc import Awaitable, Callable

import pytest
from rig import BODY, Daemon, Sink, StartDaemon

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
