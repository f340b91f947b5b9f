"""Sick destinations over real HTTP: held, probed, cooled down, spaced; and by hand."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from aiohttp import web
from patience import HANG_S
from replays import replayed
from rig import Daemon, FakeClock, Sink, StartDaemon, holding, simple_config

from dispatchd.model import DeliveryStatus, HoldKind
from dispatchd.store.jobs import ReplayQuery

BREAKER = (
    ", max_in_flight: 1, retry: {backoff: [1s], jitter: 0, max_attempts: 9}"
    ", breaker: {open_after: 3, probe_every: 30s, max_probe_every: 60s}"
)


def answers(sink: Sink, *statuses: int, **headers: str) -> None:
    """Have a sink answer so, then 200."""

    async def answer(_request: web.Request, count: int) -> web.Response:
        if count > len(statuses):
            return web.Response()
        return web.Response(status=statuses[count - 1], headers=headers)

    sink.answer = answer


async def attempts_of(daemon: Daemon, event_id: str) -> tuple[DeliveryStatus, int, int]:
    (delivery,) = (await daemon.story(event_id)).deliveries
    return delivery.status, delivery.attempts, delivery.attempts_before


async def kinds(daemon: Daemon, name: str = "crm") -> list[HoldKind]:
    return [hold.kind for hold in (await daemon.store.lane_states())[name].holds]


async def until_held(daemon: Daemon, *expected: HoldKind) -> None:
    """Wait until the store says what holds the lane: the daemon writes it behind the log line."""
    async with asyncio.timeout(HANG_S):
        while await kinds(daemon) != list(expected):
            await asyncio.sleep(0)


async def fail_until_open(daemon: Daemon, clock: FakeClock) -> list[str]:
    ids = [await daemon.accepted(b"%d" % n) for n in range(3)]
    await daemon.log.wait_for("lane_held", kind="breaker")
    await daemon.log.wait_for("attempt", count=3)
    await until_held(daemon, HoldKind.BREAKER)
    clock.advance(2.0)
    return ids


async def test_an_open_breaker_holds_probes_and_drains(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    answers(sink, *[500] * 5)
    clock = FakeClock()
    daemon = await start_daemon(simple_config(sink, BREAKER), clock=clock)
    ids = await fail_until_open(daemon, clock)
    (line,) = daemon.log.of("lane_held")
    assert (line["destination"], line["reason"]) == ("crm", "3 failures in a row")
    assert line["since_ms"] == clock.now_ms() - 2000
    ids += [await daemon.accepted(b"9")]
    assert (await attempts_of(daemon, ids[3]))[0] is DeliveryStatus.HELD
    clock.advance(27.0)  # of the 30 s to the first probe
    await daemon.store.ping()
    assert len(sink.received) == 3
    clock.advance(1.5)
    await daemon.log.wait_for("attempt", count=4)
    clock.advance(59.0)  # of the 60 s to the second
    await daemon.store.ping()
    assert len(sink.received) == 4
    clock.advance(1.5)
    await daemon.log.wait_for("attempt", count=5)
    assert len(set(sink.event_ids()[3:])) == 2  # another one: the first may be what it refuses
    for event_id in ids[:3]:
        status, made, before = await attempts_of(daemon, event_id)
        assert (status, made - before) == (DeliveryStatus.HELD, 1)  # probes used up none
    clock.advance(60.5)
    await daemon.log.wait_for("lane_recovered")
    await daemon.pass_until(
        clock, lambda: len(daemon.log.of("attempt", result="success")) >= 4, step_s=0.1
    )
    assert {(await attempts_of(daemon, event_id))[0] for event_id in ids} == {"success"}
    await until_held(daemon)


async def test_a_breaker_is_open_after_a_restart_as_before(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    answers(sink, *[500] * 3)
    clock = FakeClock()
    daemon = await start_daemon(simple_config(sink, BREAKER), clock=clock)
    ids = await fail_until_open(daemon, clock)
    await start_daemon.stop(daemon)  # type: ignore[attr-defined]
    (before,) = daemon.log.of("lane_held")
    daemon = await start_daemon(simple_config(sink, BREAKER), clock=clock)
    (after,) = await daemon.log.wait_for("lane_held", kind="breaker")
    assert after == before  # since when, and why
    clock.advance(28.0)
    await daemon.store.ping()
    assert len(sink.received) == 3
    clock.advance(2.5)
    await daemon.log.wait_for("attempt", result="success", event_id=ids[0])
    await daemon.log.wait_for("lane_recovered")


async def test_a_breaker_that_left_the_config_holds_nothing_after_the_restart(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    answers(sink, *[500] * 3)
    clock = FakeClock()
    daemon = await start_daemon(simple_config(sink, BREAKER), clock=clock)
    await fail_until_open(daemon, clock)
    await start_daemon.stop(daemon)  # type: ignore[attr-defined]
    daemon = await start_daemon(simple_config(sink), clock=clock)
    await daemon.log.wait_for("attempt", count=3, result="success")
    await until_held(daemon)


@pytest.mark.parametrize("extra", [BREAKER, ", retry: {max_attempts: 1}, max_in_flight: 1"])
async def test_410_holds_a_lane_at_once_and_costs_no_delivery_an_attempt(
    start_daemon: StartDaemon, sink: Sink, extra: str
) -> None:
    answers(sink, 410, 410)
    clock = FakeClock()
    daemon = await start_daemon(simple_config(sink, extra), clock=clock)
    event_id = await daemon.accepted(b"1")
    await daemon.log.wait_for("lane_held", kind="gone", reason="it said that it is gone")
    await until_held(daemon, HoldKind.GONE)
    for number in (1, 2):
        await daemon.log.wait_for("attempt", result="retrying", number=number)
        assert (await attempts_of(daemon, event_id))[0] is DeliveryStatus.HELD
        clock.advance(600.5)
    await daemon.log.wait_for("attempt", result="success")
    assert await attempts_of(daemon, event_id) == ("success", 3, 2)
    await daemon.log.wait_for("lane_recovered")


async def test_who_resumes_a_lane_closes_its_breaker(start_daemon: StartDaemon, sink: Sink) -> None:
    answers(sink, *[500] * 3)
    clock = FakeClock()
    daemon = await start_daemon(simple_config(sink, BREAKER), clock=clock)
    await fail_until_open(daemon, clock)
    await daemon.store.open_lane("crm", HoldKind.PAUSED, HoldKind.BREAKER, HoldKind.GONE)
    await daemon.pass_until(clock, lambda: daemon.log.of("lane_recovered"))
    await daemon.pass_until(
        clock, lambda: len(daemon.log.of("attempt", result="success")) >= 3, step_s=0.1
    )


async def test_a_paused_lane_sends_nothing_until_it_is_resumed(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    clock = FakeClock()
    daemon = await start_daemon(simple_config(sink), clock=clock)
    await daemon.accepted(b"9")
    await daemon.log.wait_for("attempt", result="success")
    await daemon.store.hold_lane("crm", HoldKind.PAUSED, "moving house", 5)
    await daemon.pass_until(clock, lambda: daemon.log.of("lane_held"))
    (line,) = daemon.log.of("lane_held")
    assert (line["kind"], line["reason"], line["since_ms"]) == ("paused", "moving house", 5)
    ids = [await daemon.accepted(b"%d" % n) for n in range(5)]
    for _ in range(3):
        clock.advance(60.0)
        await daemon.store.ping()
    assert len(sink.received) == 1
    await start_daemon.stop(daemon)  # type: ignore[attr-defined]
    daemon = await start_daemon(simple_config(sink), clock=clock)
    await daemon.log.wait_for("lane_held", kind="paused")
    assert len(sink.received) == 1
    await daemon.store.open_lane("crm", HoldKind.PAUSED)
    await daemon.pass_until(clock, lambda: daemon.log.of("lane_recovered"))
    await daemon.log.wait_for("attempt", count=5, result="success")
    assert set(sink.event_ids()[1:]) == set(ids)


async def test_what_is_under_way_when_a_lane_is_paused_ends_as_ever(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    release = asyncio.Event()
    sink.answer = holding(release)
    clock = FakeClock()
    daemon = await start_daemon(simple_config(sink, ", max_in_flight: 2"), clock=clock)
    ids = [await daemon.accepted(b"%d" % n) for n in range(4)]
    await sink.wait_for(2)
    await daemon.store.hold_lane("crm", HoldKind.PAUSED, "", 5)
    await daemon.pass_until(clock, lambda: daemon.log.of("lane_held"))
    release.set()
    await daemon.log.wait_for("attempt", count=2, result="success")
    await daemon.store.ping()
    assert len(sink.received) == 2
    assert [(await attempts_of(daemon, i))[0] for i in ids] == ["success"] * 2 + ["held"] * 2


async def paced(daemon: Daemon, clock: FakeClock | None = None) -> str | None:
    """What is kept of the pace, once it is what was said last."""
    async with asyncio.timeout(HANG_S):
        while True:
            pacing = (await daemon.store.lane_states())["crm"].pacing
            if (pacing is None) == (clock is not None):
                return None if pacing is None else pacing.reason
            if clock is not None:
                clock.advance(0.1)


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_cools_the_whole_lane_down(
    start_daemon: StartDaemon, sink: Sink, status: int
) -> None:
    answers(sink, status, **{"Retry-After": "60"})
    clock = FakeClock()
    daemon = await start_daemon(simple_config(sink, ", max_in_flight: 1"), clock=clock)
    await daemon.accepted(b"0")
    (line,) = await daemon.log.wait_for("lane_paced")
    assert line["reason"] == "it asked to be left alone for 60 s"
    assert await paced(daemon) == line["reason"]
    for n in range(3):
        await daemon.accepted(b"%d" % n)
    clock.advance(59.0)
    await daemon.store.ping()
    assert len(sink.received) == 1
    clock.advance(1.5)
    await daemon.log.wait_for("attempt", count=4, result="success")
    assert len(daemon.log.of("lane_recovered")) == 1
    assert await paced(daemon, clock) is None


async def test_a_retry_after_of_another_status_is_that_deliverys_own(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    answers(sink, 500, **{"Retry-After": "60"})
    clock = FakeClock()
    daemon = await start_daemon(simple_config(sink, ", max_in_flight: 1"), clock=clock)
    await daemon.accepted(b"0")
    await daemon.log.wait_for("attempt", result="retrying")
    await daemon.accepted(b"1")
    await daemon.log.wait_for("attempt", result="success")


async def test_a_rate_limit_spaces_requests_and_drops_none(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    clock = FakeClock()
    began_ms = clock.now_ms()
    daemon = await start_daemon(simple_config(sink, ", rate_limit: 2/s"), clock=clock)
    event_ids = [await daemon.accepted(b"%d" % n) for n in range(5)]
    await daemon.pass_until(
        clock, lambda: len(daemon.log.of("attempt", result="success")) >= 5, step_s=0.1
    )
    # When each started: what an arrival takes on its way, the clock goes on meanwhile.
    stories = [await daemon.store.get_event(event_id) for event_id in event_ids]
    starts_ms = [a.started_ms for story in stories if story is not None for a in story.attempts]
    at_s = sorted((started_ms - began_ms) / 1000 for started_ms in starts_ms)
    assert len(at_s) == len(sink.received) == 5
    gaps_s = [later - earlier for earlier, later in pairwise(at_s)]
    assert min(gaps_s) >= 0.498
    assert at_s[0] >= 0.498


async def test_what_comes_while_a_rate_limit_is_shut_starts_when_it_opens(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    clock = FakeClock()
    daemon = await start_daemon(simple_config(sink, ", rate_limit: 2/s"), clock=clock)
    for count in (1, 2):  # the second one with nothing else under way
        await daemon.accepted(b"1")
        clock.advance(0.6)
        await daemon.log.wait_for("attempt", count, result="success")


async def test_what_is_given_up_on_fails_at_once(start_daemon: StartDaemon, sink: Sink) -> None:
    answers(sink, 422, 500)
    clock = FakeClock()
    options = ", max_in_flight: 1, retry: {preset: standard, give_up_on: [400, 422], jitter: 0}"
    daemon = await start_daemon(simple_config(sink, options), clock=clock)
    await daemon.accepted(b"1")
    await daemon.log.wait_for("attempt", result="failed", number=1)
    await daemon.accepted(b"2")
    (line,) = await daemon.log.wait_for("attempt", result="retrying")
    assert line["due_ms"] == clock.now_ms() + 5000


def bodies(sink: Sink) -> list[bytes]:
    return [body for _, body in sink.received]


ORDERED = ", ordered: true, retry: {backoff: [5s], jitter: 0, max_attempts: 2}"


async def test_a_retry_of_an_ordered_lane_holds_what_is_behind_it_and_a_failure_lets_go(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    answers(sink, 500, 500)
    clock = FakeClock()
    daemon = await start_daemon(simple_config(sink, ORDERED), clock=clock)
    for n in range(4):
        await daemon.accepted(b"%d" % n)
    await daemon.log.wait_for("attempt", count=1, result="retrying")
    clock.set_wall(-3600)  # somebody sets the clock, and more events come
    await daemon.accepted(b"4")
    clock.advance(4.0)
    await daemon.store.ping()
    assert bodies(sink) == [b"0"]
    clock.advance(1.5)
    await daemon.log.wait_for("attempt", count=4, result="success")
    assert bodies(sink) == [b"0", b"0", b"1", b"2", b"3", b"4"]


async def test_a_replay_of_an_ordered_lane_goes_by_its_order_of_receipt(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    answers(sink, 200, 500)
    clock = FakeClock()
    daemon = await start_daemon(simple_config(sink, ORDERED), clock=clock)
    first = await daemon.accepted(b"0")
    await daemon.log.wait_for("attempt", result="success")
    for n in range(1, 4):
        await daemon.accepted(b"%d" % n)
    await daemon.log.wait_for("attempt", result="retrying")
    assert await replayed(daemon.store, ReplayQuery([first]), clock.now_ms()) == 1
    await daemon.pass_until(clock, lambda: len(sink.received) >= 3, step_s=0.5)
    clock.advance(5.0)
    await daemon.log.wait_for("attempt", count=5, result="success")
    assert bodies(sink) == [b"0", b"1", b"0", b"1", b"2", b"3"]


async def test_a_failure_of_an_ordered_lane_may_hold_it_until_somebody_resumes_it(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    answers(sink, 500, 500)
    clock = FakeClock()
    options = ORDERED + ", on_failed: hold"
    daemon = await start_daemon(simple_config(sink, options), clock=clock)
    ids = [await daemon.accepted(b"%d" % n) for n in range(3)]
    await daemon.log.wait_for("attempt", result="retrying")
    clock.advance(5.0)
    (line,) = await daemon.log.wait_for("lane_held", kind="paused")
    assert line["reason"] == f"delivery of {ids[0]} failed for good"
    await daemon.log.wait_for("attempt", result="failed")
    await start_daemon.stop(daemon)  # type: ignore[attr-defined]
    daemon = await start_daemon(simple_config(sink, options), clock=clock)
    await daemon.log.wait_for("lane_held", kind="paused")
    assert bodies(sink) == [b"0", b"0"]
    assert await replayed(daemon.store, ReplayQuery([ids[0]]), clock.now_ms()) == 1
    await daemon.store.open_lane("crm", HoldKind.PAUSED)
    await daemon.pass_until(clock, lambda: len(daemon.log.of("attempt", result="success")) >= 3)
    assert bodies(sink) == [b"0", b"0", b"0", b"1", b"2"]


async def test_an_ordered_lane_sends_the_next_one_when_the_last_result_is_on_disk(
    start_daemon: StartDaemon, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = await start_daemon(simple_config(sink, ", ordered: true"))
    store: Any = daemon.app._lanes._lanes["crm"]._recorder._store
    submit, unwritten = store.record, asyncio.get_running_loop().create_future()

    def held_up(*args: Any, **named: Any) -> asyncio.Future[None]:
        async def later() -> None:
            await unwritten
            await submit(*args, **named)

        return asyncio.ensure_future(later())

    monkeypatch.setattr(store, "record", held_up)
    for n in range(2):
        await daemon.accepted(b"%d" % n)
    await sink.wait_for(1)
    for _ in range(5):
        await daemon.store.ping()
    assert bodies(sink) == [b"0"]
    unwritten.set_result(None)
    await daemon.log.wait_for("attempt", count=2, result="success")
