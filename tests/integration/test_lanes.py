"""Lanes over real HTTP: whatever is raised, a delivery is recorded or released."""

import asyncio
from typing import Any

import pytest
from patience import HANG_S
from rig import FakeClock, Sink, StartDaemon, failing_first, simple_config
from rig_raw import Connections, Start, answering

from dispatchd.compose import WebhookCourier
from dispatchd.errors import WriteRejected
from dispatchd.evaluate.evaluator import Evaluator, Fault, Result
from dispatchd.model import Request
from dispatchd.store.sqlite import SqliteStore
from dispatchd.store.sqlite.rows import attempt_to_row

OWN_HEADER = ", headers: {Authorization: a-long-secret}, retry: {jitter: 0}"


async def test_a_reply_header_that_is_no_utf8_strands_no_delivery(
    start_daemon: StartDaemon, start: Start
) -> None:
    answer = b"HTTP/1.1 500 No\r\nX-Odd: caf\xe9 \xff\xfe\r\nContent-Length: 0\r\n\r\n"
    url = await start(answering(Connections(), answer))
    clock = FakeClock()
    daemon = await start_daemon(simple_config(Sink(url=url), OWN_HEADER), clock=clock)
    event_id = await daemon.accepted(b"{}")
    await daemon.log.wait_for("attempt", number=1)
    clock.advance(1.0)
    await daemon.log.wait_for("attempt", number=2)
    assert daemon.log.of("internal_error") == []
    assert len((await daemon.story(event_id)).attempts) == 2


async def test_whatever_a_courier_raises_the_delivery_is_tried_again(
    start_daemon: StartDaemon, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    compose = WebhookCourier.compose
    raised: list[Exception] = [RuntimeError("compose"), KeyError("compose")]

    def failing(self: WebhookCourier, *args: Any) -> Request:
        if raised:
            raise raised.pop()
        return compose(self, *args)

    monkeypatch.setattr(WebhookCourier, "compose", failing)
    clock = FakeClock()
    daemon = await start_daemon(simple_config(sink, ", retry: {max_attempts: 1}"), clock=clock)
    event_id = await daemon.accepted(b"{}")
    for number, wait_s in ((1, 1.0), (2, 2.0)):
        (line,) = await daemon.log.wait_for("attempt", number=number)
        assert (line["error"], line["result"]) == ("internal_error", "retrying")
        clock.advance(wait_s)
    # Neither was one of the destination's attempts: of those it has one, and that one succeeds.
    await daemon.log.wait_for("attempt", number=3, result="success")
    (delivery,) = (await daemon.story(event_id)).deliveries
    assert (delivery.status, delivery.attempts, delivery.attempts_before) == ("success", 3, 2)


async def test_a_result_that_cannot_be_kept_as_it_is_is_kept_bare(
    start_daemon: StartDaemon, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    to_row = attempt_to_row

    def refused(attempt, key):
        row = to_row(attempt, key)
        return row if attempt.response_head == b"" else (None, *row[1:])

    monkeypatch.setattr("dispatchd.store.sqlite.schedule.attempt_to_row", refused)
    daemon = await start_daemon(simple_config(sink))
    event_id = await daemon.accepted(b"{}")
    await daemon.log.wait_for("attempt", result="success")
    assert len(daemon.log.of("internal_error")) == 1
    story = await daemon.story(event_id)
    assert [d.status for d in story.deliveries] == ["success"]
    assert [a.error for a in story.attempts] == ["internal_error"]
    assert len(sink.received) == 1


async def test_a_result_that_cannot_be_kept_at_all_is_released_after_a_while(
    start_daemon: StartDaemon, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = SqliteStore.record
    refusals = 2

    def refusing(self: SqliteStore, *args, **named) -> asyncio.Future[None]:
        nonlocal refusals
        if refusals == 0:
            return record(self, *args, **named)
        refusals -= 1
        refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        refused.set_exception(WriteRejected("no"))
        return refused

    monkeypatch.setattr(SqliteStore, "record", refusing)
    clock = FakeClock()
    daemon = await start_daemon(simple_config(sink), clock=clock)
    event_id = await daemon.accepted(b"{}")
    await daemon.log.wait_for("internal_error", count=2)
    clock.advance(299)
    await daemon.store.ping()
    assert len(sink.received) == 1
    clock.advance(60)
    await daemon.log.wait_for("attempt", result="success", number=1)
    assert sink.event_ids() == [event_id, event_id]


async def test_failures_of_the_content_slow_no_destination_down(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    daemon = await start_daemon(f"""
    endpoints:
      bad: {{auth: none, destinations: [{{to: crm, transform: x, on_transform_error: fail}}]}}
      good: {{auth: none, destinations: [crm]}}
    destinations: {{crm: {{url: '{sink.url}'}}}}
    """)
    for _ in range(40):
        await daemon.accepted(b"{}", slug="bad", secret=None)
    await daemon.log.wait_for("attempt", count=40, result="failed")
    await daemon.accepted(b"{}", slug="good", secret=None)
    await daemon.log.wait_for("attempt", result="success")
    assert daemon.log.of("lane_paced") == []


async def test_a_retry_that_is_recorded_during_a_look_is_not_overslept(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    """A look that began before a result was written ended after it, and forgot its due time."""
    sink.answer = failing_first(30)
    clock = FakeClock()
    retry = ", retry: {backoff: [1s], jitter: 0}"
    daemon = await start_daemon(simple_config(sink, retry), clock=clock)
    for n in range(30):
        await daemon.accepted(b"%d" % n)
        daemon.app._lanes.look()
    await daemon.log.wait_for("attempt", count=30, result="retrying")
    clock.advance(1.0)
    await daemon.log.wait_for("attempt", count=30, result="success")


async def test_a_duty_that_dies_ends_the_daemon_with_a_reason(
    start_daemon: StartDaemon, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = await start_daemon(simple_config(sink))

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a lane that died would lose its destination")

    monkeypatch.setattr("dispatchd.deliver.lane.Lane._should_look", broken)
    daemon.app._lanes._lanes["crm"]._wake.set()
    (line,) = await daemon.log.wait_for("internal_error", duty="lanes")
    assert "ZeroDivisionError" in line["error"]
    await asyncio.wait_for(daemon.app._ended.wait(), HANG_S)


@pytest.mark.parametrize("on_error", ["send", "fail"])
async def test_a_fault_of_the_evaluator_ends_no_delivery_and_sends_nothing(
    start_daemon: StartDaemon, sink: Sink, monkeypatch: pytest.MonkeyPatch, on_error: str
) -> None:
    evaluate = Evaluator.evaluate
    faults = [Fault("no process"), Fault("no turn")]

    async def faulty(self: Evaluator, *args: Any, **kwargs: Any) -> Result:
        return faults.pop() if faults else await evaluate(self, *args, **kwargs)

    monkeypatch.setattr(Evaluator, "evaluate", faulty)
    clock = FakeClock()
    link = f"{{to: crm, transform: '{{\"a\": a}}', on_transform_error: {on_error}}}"
    daemon = await start_daemon(
        f"""
    endpoints: {{my-slug: {{auth: none, destinations: [{link}]}}}}
    destinations: {{crm: {{url: '{sink.url}', retry: {{max_attempts: 1}}}}}}
    """,
        clock=clock,
    )
    event_id = await daemon.accepted(b'{"a": 1, "secret": 2}', secret=None)
    for number, wait_s in ((1, 1.0), (2, 2.0)):
        (line,) = await daemon.log.wait_for("attempt", number=number)
        assert (line["error"], line["result"]) == ("evaluator_error", "retrying")
        assert sink.received == []
        clock.advance(wait_s)
    await daemon.log.wait_for("attempt", number=3, result="success")
    assert [body for _, body in sink.received] == [b'{"a":1}']
    (delivery,) = (await daemon.story(event_id)).deliveries
    assert (delivery.attempts, delivery.attempts_before) == (3, 2)
    assert daemon.log.of("lane_paced") == []
