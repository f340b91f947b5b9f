"""Retries over real HTTP: when a delivery is tried again."""

from datetime import UTC, datetime
from email.utils import format_datetime

from aiohttp import web
from replays import replayed
from rig import BODY, FakeClock, Sink, StartDaemon, always, failing_first, simple_config

from dispatchd.store.jobs import ReplayQuery

NO_JITTER = ", retry: {jitter: 0}"


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
