"""Lanes that are held and then are not: they go on at once, whatever else slows them down."""

import asyncio

from aiohttp import web
from rig import Daemon, FakeClock, Sink, StartDaemon, always, simple_config
from rig_lanes import A_SECOND_OR_SO, seconds_pass

from dispatchd.gates.pace import AFTER_FAILURES
from dispatchd.model import HoldKind

ALL_OF_THEM = (HoldKind.PAUSED, HoldKind.BREAKER, HoldKind.GONE)


async def paused(daemon: Daemon, clock: FakeClock) -> None:
    await daemon.store.hold_lane("crm", HoldKind.PAUSED, "", clock.now_ms())
    daemon.app._lanes.look()
    await daemon.log.wait_for("lane_held", kind="paused")


async def test_a_lane_that_is_resumed_while_it_is_paced_goes_on_when_its_gates_open(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    """Nobody woke it, for it was not open: it went on up to 30 s after that."""

    async def later(_request: web.Request, count: int) -> web.Response:
        return web.Response(status=429 if count == 1 else 200, headers={"Retry-After": "40"})

    sink.answer = later
    clock = FakeClock()
    daemon = await start_daemon(simple_config(sink), clock=clock)
    await daemon.accepted(b"1")
    await daemon.log.wait_for("lane_paced")
    await paused(daemon, clock)
    await seconds_pass(daemon, clock, 34)
    await daemon.store.open_lane("crm", *ALL_OF_THEM)
    await seconds_pass(daemon, clock, A_SECOND_OR_SO)
    assert len(sink.received) == 1
    await seconds_pass(daemon, clock, 4)
    await sink.wait_for(2)


async def test_a_lane_whose_breaker_somebody_closes_is_tried_at_once_however_long_it_failed(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    sink.answer = always(500)
    failures = AFTER_FAILURES + 1
    options = (
        ", max_in_flight: 1, retry: {backoff: [1s], jitter: 0, max_attempts: 99}"
        f", breaker: {{open_after: {failures}, probe_every: 10m}}"
    )
    clock = FakeClock()
    daemon = await start_daemon(simple_config(sink, options), clock=clock)
    for n in range(3):
        await daemon.accepted(b"%d" % n)
    await daemon.pass_until(clock, lambda: daemon.log.of("lane_held"), step_s=0.2)
    await daemon.log.wait_for("attempt", count=failures)
    await seconds_pass(daemon, clock, A_SECOND_OR_SO)
    sink.answer = None
    await daemon.store.open_lane("crm", *ALL_OF_THEM)
    await seconds_pass(daemon, clock, A_SECOND_OR_SO)
    await sink.wait_for(failures + 1)


async def test_a_probe_that_failed_for_its_own_sake_does_not_put_off_the_next_one(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    """Its delivery is owed no more, so nothing woke the lane for the next probe."""
    sink.answer = always(500)
    options = (
        ", max_in_flight: 2, retry: {backoff: [1s], jitter: 0, give_up_on: [422]}"
        ", breaker: {open_after: 2, probe_every: 5s}"
    )
    clock = FakeClock()
    daemon = await start_daemon(simple_config(sink, options), clock=clock)
    for n in range(2):
        await daemon.accepted(b"%d" % n)
    await daemon.log.wait_for("lane_held", kind="breaker")
    sink.answer = always(422)
    await daemon.pass_until(clock, lambda: daemon.log.of("attempt", result="failed"), step_s=0.5)
    sink.answer = None
    await seconds_pass(daemon, clock, 7)
    await sink.wait_for(4)


async def test_a_lane_that_is_resumed_while_its_breaker_is_open_is_probed_in_time(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    sink.answer = always(500)
    options = (
        ", max_in_flight: 1, retry: {backoff: [1s], jitter: 0}"
        ", breaker: {open_after: 2, probe_every: 40s}"
    )
    clock = FakeClock()
    daemon = await start_daemon(simple_config(sink, options), clock=clock)
    for n in range(2):
        await daemon.accepted(b"%d" % n)
    await daemon.log.wait_for("lane_held", kind="breaker")
    await paused(daemon, clock)
    await seconds_pass(daemon, clock, 34)
    await daemon.store.open_lane("crm", HoldKind.PAUSED)
    await seconds_pass(daemon, clock, 8)
    await sink.wait_for(3)


async def test_one_probe_at_a_time_though_an_earlier_one_ends_late(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    """The end of a probe of an earlier opening was taken for the end of the one under way."""
    ends: list[asyncio.Future[int]] = []

    async def held(_request: web.Request, _count: int) -> web.Response:
        end: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        ends.append(end)
        return web.Response(status=await end)

    sink.answer = held
    options = (
        ", max_in_flight: 3, timeout: 60s, retry: {backoff: [1s], jitter: 0, max_attempts: 9}"
        ", breaker: {open_after: 1, probe_every: 5s, max_probe_every: 5s}"
    )
    clock = FakeClock()
    daemon = await start_daemon(simple_config(sink, options), clock=clock)
    for n in range(2):
        await daemon.accepted(b"%d" % n)
        await sink.wait_for(n + 1)
    ends[1].set_result(500)
    await daemon.log.wait_for("lane_held")
    await daemon.pass_until(clock, lambda: len(ends) == 3)  # a probe
    ends[0].set_result(200)
    await daemon.log.wait_for("lane_recovered")
    await daemon.accepted(b"2")
    await daemon.pass_until(clock, lambda: len(ends) == 4, step_s=0.1)
    ends[3].set_result(500)
    await daemon.log.wait_for("lane_held", count=2)
    await daemon.pass_until(clock, lambda: len(ends) == 5)  # another, while the first goes on
    ends[2].set_result(500)
    await daemon.log.wait_for("attempt", count=4)
    await seconds_pass(daemon, clock, 12)
    assert len(ends) == 5
    ends[4].set_result(500)
    await daemon.pass_until(clock, lambda: len(ends) == 6)
    ends[5].set_result(200)
    sink.answer = None
    await daemon.pass_until(
        clock, lambda: len(daemon.log.of("attempt", result="success")) == 3, step_s=0.1
    )
