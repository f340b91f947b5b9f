"""Replays through a running daemon: noticed, sent with the config as of now, or as sent."""

import asyncio
import sys
from pathlib import Path

from rig import FakeClock, Sink, StartDaemon, simple_config

from dispatchd.model import DeliveryStatus, HoldKind
from dispatchd.store.jobs import Job, ReplayQuery

CONFIG = """
endpoints:
  my-slug:
    auth: none
    destinations: [{{to: crm{transform}}}]
destinations:
  crm: {{url: '{url}', retry: {{jitter: 0}}}}
"""


async def test_a_job_is_noticed_run_and_delivered(start_daemon: StartDaemon, sink: Sink) -> None:
    clock = FakeClock()
    daemon = await start_daemon(simple_config(sink), clock=clock)
    event_id = await daemon.accepted(b"{}")
    await daemon.log.wait_for("attempt", result="success")
    job = await daemon.store.add_job(ReplayQuery(destination="crm"), None, clock.now_ms())
    clock.advance(1.0)  # a running daemon notices within a second
    await daemon.log.wait_for("attempt", result="success", number=2)
    (line,) = await daemon.log.wait_for("job_ended", job=job.id)
    assert (line["state"], line["replayed"]) == ("done", 1)
    assert sink.event_ids() == [event_id] * 2


async def test_a_replay_sends_what_the_config_now_says_or_what_was_sent(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    daemon = await start_daemon(
        CONFIG.format(url=sink.url, transform=", transform: '{\"was\": action}'")
    )
    event_id = await daemon.accepted(b'{"action":"opened"}', secret=None)
    await daemon.log.wait_for("attempt", result="success")
    await start_daemon.stop(daemon)  # type: ignore[attr-defined]
    daemon = await start_daemon(
        CONFIG.format(url=sink.url, transform=", transform: '{\"is\": action}'")
    )
    for number, as_sent in ((2, True), (3, False), (4, True)):
        await daemon.store.add_job(ReplayQuery([event_id], as_sent=as_sent), None, 0)
        await daemon.log.wait_for("attempt", result="success", number=number)
    assert [body for _, body in sink.received] == [
        b'{"was":"opened"}',
        b'{"was":"opened"}',
        b'{"is":"opened"}',
        b'{"is":"opened"}',
    ]
    assert {headers["Content-Type"] for headers, _ in sink.received} == {"application/json"}
    notes = [attempt.transform for attempt in (await daemon.story(event_id)).attempts]
    assert notes == ["applied", "as it was sent before", "applied", "as it was sent before"]


async def test_what_was_sent_as_it_came_is_sent_so_again(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    daemon = await start_daemon(CONFIG.format(url=sink.url, transform=""))
    event_id = await daemon.accepted(b'{"action":  "opened"}', secret=None)
    await daemon.log.wait_for("attempt", result="success")
    await start_daemon.stop(daemon)  # type: ignore[attr-defined]
    daemon = await start_daemon(CONFIG.format(url=sink.url, transform=", transform: action"))
    await daemon.store.add_job(ReplayQuery([event_id], as_sent=True), None, 0)
    await daemon.log.wait_for("attempt", result="success", number=2)
    assert [body for _, body in sink.received] == [b'{"action":  "opened"}'] * 2


async def test_the_command_watches_while_the_daemon_works(
    start_daemon: StartDaemon, sink: Sink, tmp_path: Path
) -> None:
    daemon = await start_daemon(simple_config(sink))
    event_id = await daemon.accepted(b"{}")
    await daemon.log.wait_for("attempt", result="success")
    assert daemon.store.served()
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dispatchd", "replay", event_id),
        *("--config", str(tmp_path / "config.yaml")),
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await command.communicate()
    assert (command.returncode, told) == (0, b"Replayed 1 delivery.\n")
    assert daemon.log.of("job_ended", job=1, state="done")  # it was the daemon's
    await daemon.log.wait_for("attempt", result="success", number=2)
    await start_daemon.stop(daemon)  # type: ignore[attr-defined]


async def test_replays_to_a_held_lane_are_held(start_daemon: StartDaemon, sink: Sink) -> None:
    daemon = await start_daemon(simple_config(sink))
    event_id = await daemon.accepted(b"{}")
    await daemon.log.wait_for("attempt", result="success")
    await daemon.store.hold_lane("crm", HoldKind.PAUSED, "", 0)
    job: Job = await daemon.store.add_job(ReplayQuery([event_id]), None, 0)
    await daemon.log.wait_for("job_ended", job=job.id)
    story = await daemon.story(event_id)
    assert [d.status for d in story.deliveries] == [DeliveryStatus.HELD]
