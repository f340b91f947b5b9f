"""Drains: what a daemon that is told to stop ends, takes and leaves for its next start."""

import asyncio

from patience import HANG_S
from rig import BODY, Sink, StartDaemon, holding, simple_config

from dispatchd.app import App
from dispatchd.model import DeliveryStatus


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


async def test_webhooks_are_taken_until_the_drain_is_over(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    """A restart refused webhooks for as long as its deliveries took to end."""
    release = asyncio.Event()
    sink.answer = holding(release)
    daemon = await start_daemon(simple_config(sink), drain_s=30.0)
    await daemon.accepted(b"1")
    await sink.wait_for(1)
    stopping = asyncio.create_task(daemon.app.stop())
    (line,) = await daemon.log.wait_for("stopping")
    assert line["waits_for"] == {"crm": 1}
    kept = await daemon.accepted(b"2")
    release.set()
    await stopping
    assert len(sink.received) == 1
    (delivery,) = (await daemon.story(kept)).deliveries
    assert delivery.status is DeliveryStatus.QUEUED


async def test_a_second_signal_cuts_the_drain(start_daemon: StartDaemon, sink: Sink) -> None:
    never = asyncio.Event()
    sink.answer = holding(never)
    daemon = await start_daemon(simple_config(sink), drain_s=3600.0)
    await daemon.accepted(b"1")
    await sink.wait_for(1)
    App._asked_to_stop(daemon.app)
    stopping = asyncio.create_task(daemon.app.stop())
    await daemon.log.wait_for("stopping")
    App._asked_to_stop(daemon.app)
    await asyncio.wait_for(stopping, HANG_S)
    assert daemon.log.of("drain_cut", deliveries=1)
    never.set()
