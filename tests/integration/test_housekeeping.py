"""What the daemon does for its database by itself: retention, and room on the disk."""

import asyncio
from pathlib import Path

from nouns import an_event
from rig import BODY, Daemon, FakeClock, Sink, StartDaemon, holding, simple_config

from dispatchd.store.base import EventQuery

DAY_MS = 86_400_000
NO_DISK = "min_free: 900000000GiB"
ANY_DISK = "min_free: 0B"


def config(sink: Sink, database: Path, keys: str) -> str:
    return simple_config(sink) + f"storage: {{url: 'sqlite:///{database}', {keys}}}\n"


async def reloaded(daemon: Daemon, path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    outcome = await daemon.app.reload()
    assert outcome.problems == ()


async def test_too_little_disk_keeps_webhooks_out_and_nothing_else(
    start_daemon: StartDaemon, sink: Sink, tmp_path: Path
) -> None:
    """What was taken before goes on, and it ends by itself."""
    clock = FakeClock()
    answer = asyncio.Event()
    sink.answer = holding(answer, text="ok")
    daemon = await start_daemon(config(sink, tmp_path / "dispatchd.db", ANY_DISK), clock=clock)
    event_id = await daemon.accepted(BODY)
    await sink.wait_for(1)
    await reloaded(daemon, tmp_path / "config.yaml", ANY_DISK, NO_DISK)
    await daemon.pass_until(clock, lambda: daemon.log.of("disk_low"))
    status, document, headers = await daemon.post(BODY)
    assert (status, document["error"]["code"]) == (503, "unavailable_disk_low")
    assert int(headers["Retry-After"]) >= 1
    async with daemon.http.get(f"{daemon.url}/healthz") as health:
        assert (health.status, await health.json()) == (503, {"status": "unavailable"})
    answer.set()
    await daemon.log.wait_for("attempt", event_id=event_id, result="success")
    await reloaded(daemon, tmp_path / "config.yaml", NO_DISK, ANY_DISK)
    await daemon.pass_until(clock, lambda: daemon.log.of("disk_recovered"))
    await daemon.accepted(BODY)
    (low,) = daemon.log.of("disk_low")
    assert (low["level"], low["min_free_bytes"]) == ("error", 900_000_000 * 1024**3)
    assert len(daemon.log.of("disk_recovered")) == 1
    assert len(daemon.log.of("storage_fault")) == 0


async def test_too_little_disk_is_seen_before_the_first_webhook(
    start_daemon: StartDaemon, sink: Sink, tmp_path: Path
) -> None:
    daemon = await start_daemon(config(sink, tmp_path / "dispatchd.db", NO_DISK))
    status, document, _ = await daemon.post(BODY)
    assert (status, document["error"]["code"]) == (503, "unavailable_disk_low")


async def test_old_history_goes_by_itself_and_a_reload_changes_what_is_old(
    start_daemon: StartDaemon, sink: Sink, tmp_path: Path
) -> None:
    clock = FakeClock()
    daemon = await start_daemon(
        config(sink, tmp_path / "dispatchd.db", "retention: 30d"), clock=clock
    )
    for days in (31, 20):
        await daemon.store.add_event(an_event(received_ms=clock.now_ms() - days * DAY_MS), [])
    await daemon.pass_until(clock, lambda: daemon.log.of("pruned"))
    (line,) = daemon.log.of("pruned")
    assert (line["why"], line["events"]) == ("age", 1)
    assert len(await daemon.store.find_events(EventQuery())) == 1
    await reloaded(daemon, tmp_path / "config.yaml", "retention: 30d", "retention: 10d")
    assert daemon.log.of("reloaded")[-1]["changes"] == ["changed storage: retention"]
    await daemon.pass_until(clock, lambda: len(daemon.log.of("pruned")) == 2)
    assert await daemon.store.find_events(EventQuery()) == []


async def test_what_is_owed_is_delivered_however_old(
    start_daemon: StartDaemon, sink: Sink, tmp_path: Path
) -> None:
    clock = FakeClock()
    keys = "retention: {events: 1s, failed: 1s, max_size: 1MiB}"
    daemon = await start_daemon(config(sink, tmp_path / "dispatchd.db", keys), clock=clock)
    answer = asyncio.Event()
    sink.answer = holding(answer, text="ok")
    event_id = await daemon.accepted(BODY)
    await daemon.store.add_event(an_event(received_ms=clock.now_ms()), [])
    await daemon.pass_until(clock, lambda: daemon.log.of("pruned"))
    answer.set()
    await daemon.log.wait_for("attempt", event_id=event_id, result="success")
    assert {headers["X-Dispatch-Event-ID"] for headers, _ in sink.received} == {event_id}
