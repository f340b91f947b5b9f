"""Results that wait for an event to go with: which may, and that none waits for good."""

from pathlib import Path

import pytest
from patience import HANG_S
from rig import FakeClock, Sink, StartDaemon, simple_config
from rig_lanes import owed_by_another

from dispatchd.deliver.lane import DRAIN_UNRECORDED_MAX
from dispatchd.model import DeliveryStatus
from dispatchd.store import group_commit, store_from_url

SUCCESS = DeliveryStatus.SUCCESS


@pytest.fixture(autouse=True)
def _very_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what may wait do so for longer than a test may last."""
    monkeypatch.setattr(group_commit, "PATIENCE_S", 10 * HANG_S)


async def test_a_result_is_written_with_the_next_event(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    daemon = await start_daemon(simple_config(sink))
    first = await daemon.accepted(b"{}")
    await sink.wait_for(1)
    for _ in range(50):
        await daemon.store.ping()  # whoever would write it has every chance to
    story = await daemon.story(first)
    assert (story.deliveries[0].status, story.attempts) == (DeliveryStatus.QUEUED, [])
    second = await daemon.accepted(b"{}")
    await daemon.log.wait_for("attempt", number=1, event_id=first)
    story = await daemon.story(first)
    assert (story.deliveries[0].status, len(story.attempts)) == (SUCCESS, 1)
    await sink.wait_for(2)
    assert (await daemon.story(second)).attempts == []


async def test_an_ordered_lane_waits_for_none(start_daemon: StartDaemon, sink: Sink) -> None:
    daemon = await start_daemon(simple_config(sink, ", ordered: true"))
    for body in (b'{"n": 1}', b'{"n": 2}', b'{"n": 3}'):
        await daemon.accepted(body)
    await sink.wait_for(3)
    assert [body for _, body in sink.received] == [b'{"n": 1}', b'{"n": 2}', b'{"n": 3}']


async def test_nor_does_one_that_works_off_a_backlog(
    start_daemon: StartDaemon, sink: Sink, tmp_path: Path
) -> None:
    clock = FakeClock()
    owed = 5 * DRAIN_UNRECORDED_MAX
    await owed_by_another(tmp_path, clock, owed, "crm")
    await start_daemon(simple_config(sink), clock=clock)
    await sink.wait_for(owed)


async def test_a_daemon_that_ends_writes_what_waits(
    start_daemon: StartDaemon, sink: Sink, tmp_path: Path
) -> None:
    daemon = await start_daemon(simple_config(sink))
    event_id = await daemon.accepted(b"{}")
    await sink.wait_for(1)
    await start_daemon.stop(daemon)  # type: ignore[attr-defined]
    store = store_from_url(f"sqlite:///{tmp_path}/dispatchd.db")
    await store.open()
    story = await store.get_event(event_id)
    await store.close()
    assert story is not None
    assert (story.deliveries[0].status, len(story.attempts)) == (SUCCESS, 1)
