"""Group commit: a batch forms while the previous one commits; one bad write fails alone."""

import asyncio
from collections.abc import Sequence

import pytest
from patience import HANG_S

from dispatchd.errors import StoreUnavailable, WriteRejected
from dispatchd.store import group_commit
from dispatchd.store.group_commit import Ended, GroupCommit, Limits


class Disk:
    """Commits batches when told to."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.free = asyncio.Event()
        self.free.set()
        self.begun = asyncio.Event()
        self.broken = False

    def begin(self, batch: Sequence[str], ended: Ended) -> None:
        committing = asyncio.create_task(self.commit(batch))
        committing.add_done_callback(lambda done: ended(done.exception()))

    async def commit(self, batch: Sequence[str]) -> None:
        self.begun.set()
        await self.free.wait()
        if self.broken:
            raise StoreUnavailable("full", "full")
        if "bad" in batch:
            raise WriteRejected("bad")
        self.batches.append(list(batch))


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what may wait for an event wait for one."""
    monkeypatch.setattr(group_commit, "PATIENCE_S", HANG_S)


async def waiting(group: GroupCommit[str], disk: Disk, *writes: str) -> list[asyncio.Task[None]]:
    """Hold the disk with one write and queue the others behind it."""
    disk.free.clear()
    disk.begun.clear()
    tasks = [group.submit("first", 1)]
    await disk.begun.wait()
    tasks += [group.submit(write, 1) for write in writes]
    await asyncio.sleep(0)
    return tasks


async def test_a_lone_write_waits_for_nothing() -> None:
    disk = Disk()
    await GroupCommit(disk.begin).submit("a", 1)
    assert disk.batches == [["a"]]


async def test_a_batch_forms_while_the_previous_one_commits() -> None:
    disk = Disk()
    group = GroupCommit(disk.begin)
    tasks = await waiting(group, disk, "a", "b", "c")
    assert disk.batches == []
    disk.free.set()
    await asyncio.gather(*tasks)
    assert disk.batches == [["first"], ["a", "b", "c"]]


async def test_one_bad_write_fails_alone() -> None:
    disk = Disk()
    group = GroupCommit(disk.begin)
    tasks = await waiting(group, disk, "a", "bad", "b", "bad", "c")
    disk.free.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(r, WriteRejected) for r in results] == [0, 0, 1, 0, 1, 0]
    assert sorted(w for b in disk.batches for w in b) == ["a", "b", "c", "first"]


async def test_bounds_of_the_queue() -> None:
    disk = Disk()
    group = GroupCommit(disk.begin, Limits(waiting=2, waiting_bytes=100))
    tasks = await waiting(group, disk, "a", "b")
    with pytest.raises(StoreUnavailable) as caught:
        await group.submit("c", 1)
    assert caught.value.reason == "overloaded"
    must = group.submit("result", 1, is_result=True)
    await asyncio.sleep(0)
    disk.free.set()
    await asyncio.gather(*tasks, must)
    with pytest.raises(StoreUnavailable):
        await group.submit("huge", 101)
    assert disk.batches[-1] == ["a", "b", "result"]


async def test_results_that_wait_keep_no_new_event_out() -> None:
    """Two hundred lanes had thousands of results waiting, and webhooks were answered 503."""
    disk = Disk()
    group = GroupCommit(disk.begin, Limits(waiting=2, waiting_bytes=100))
    results = [group.submit(f"result {n}", 50, is_result=True) for n in range(5)]
    events = [group.submit(name, 50) for name in "ab"]
    await asyncio.sleep(0)
    disk.free.set()
    await asyncio.gather(*results, *events)
    assert sum(len(batch) for batch in disk.batches) == 7


async def test_events_go_before_results_of_which_a_batch_has_few() -> None:
    """While one lane worked off a million deliveries, each webhook waited for hundreds of them."""
    disk = Disk()
    group = GroupCommit(disk.begin, Limits(results=2), monotonic=lambda: 0.0)
    disk.free.clear()
    results = [group.submit(f"result {n}", 1, is_result=True) for n in range(6)]
    await disk.begun.wait()
    events = [group.submit(name, 1) for name in "abc"]
    await asyncio.sleep(0)
    disk.free.set()
    await asyncio.gather(*results, *events)
    assert disk.batches == [
        ["result 0", "result 1"],
        ["a", "b", "c", "result 2", "result 3", "result 4"],  # as many as there are events
        ["result 5"],
    ]


async def test_a_slow_disk_takes_more_results_in_a_batch() -> None:
    disk = Disk()
    now_s = 0.0
    group = GroupCommit(disk.begin, Limits(results=2, results_per_s=400), monotonic=lambda: now_s)
    disk.free.clear()
    results = [group.submit(f"result {n}", 1, is_result=True) for n in range(8)]
    await disk.begun.wait()
    now_s = 0.010
    disk.free.set()
    await asyncio.gather(*results)
    assert [len(batch) for batch in disk.batches] == [2, 4, 2]


async def test_a_batch_is_bounded_but_a_large_write_still_goes() -> None:
    disk = Disk()
    group = GroupCommit(disk.begin, Limits(batch=2, batch_bytes=10))
    tasks = await waiting(group, disk, "a", "b", "c")
    large = group.submit("large", 50)
    await asyncio.sleep(0)
    disk.free.set()
    await asyncio.gather(*tasks, large)
    assert disk.batches == [["first"], ["a", "b"], ["c"], ["large"]]


async def test_events_that_fill_each_batch_by_their_bytes_keep_no_result_waiting() -> None:
    """While such events came as fast as the disk took them, no attempt's result was written."""
    disk = Disk()
    group = GroupCommit(disk.begin, Limits(batch_bytes=10))
    tasks = await waiting(group, disk)
    tasks += [group.submit(name, size) for name, size in (("a", 10), ("b", 30))]
    await asyncio.sleep(0)
    results = [group.submit(f"result {n}", 4, is_result=True) for n in range(5)]
    disk.free.set()
    await asyncio.gather(*tasks, *results)
    assert disk.batches == [
        ["first"],
        ["a", "result 0", "result 1"],
        ["b", "result 2", "result 3"],
        ["result 4"],
    ]


async def test_an_unavailable_store_tells_everyone_and_recovers() -> None:
    disk = Disk()
    group = GroupCommit(disk.begin)
    tasks = await waiting(group, disk, "a", "b")
    disk.broken = True
    disk.free.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(r, StoreUnavailable) for r in results)
    disk.broken = False
    await group.submit("later", 1)
    assert disk.batches == [["later"]]


async def test_a_caller_that_left_disturbs_nobody() -> None:
    disk = Disk()
    group = GroupCommit(disk.begin)
    tasks = await waiting(group, disk, "a", "b")
    tasks[1].cancel()
    await asyncio.sleep(0)
    disk.free.set()
    await asyncio.gather(tasks[0], tasks[2])
    assert tasks[1].cancelled()
    assert disk.batches[-1] == ["a", "b"]  # it was on its way: kept, though nobody waits


async def test_close_answers_those_under_way() -> None:
    disk = Disk()
    group = GroupCommit(disk.begin)
    tasks = await waiting(group, disk, "a")
    closing = asyncio.create_task(group.close())
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable) as caught:
        await group.submit("late", 1)
    assert caught.value.reason == "closed"
    disk.free.set()
    await asyncio.gather(closing, *tasks)
    assert disk.batches == [["first"], ["a"]]


async def test_a_few_results_wait_for_an_event_to_go_with() -> None:
    disk = Disk()
    group = GroupCommit(disk.begin)
    results = [group.submit(f"result {n}", 1, is_result=True, patient=True) for n in range(3)]
    await group.submit("event", 1)
    assert disk.batches == [["event", "result 0", "result 1", "result 2"]]
    assert all(result.done() for result in results)


async def test_results_wait_a_moment_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "PATIENCE_S", 0.001)
    disk = Disk()
    group = GroupCommit(disk.begin)
    for n in range(2):  # the timer of the first serves the second, or makes another
        await group.submit(f"result {n}", 1, is_result=True, patient=True)
    assert disk.batches == [["result 0"], ["result 1"]]


async def test_many_results_wait_for_nobody() -> None:
    disk = Disk()
    group = GroupCommit(disk.begin, Limits(results=3))
    async with asyncio.timeout(HANG_S / 2):
        await asyncio.gather(
            *(group.submit(f"result {n}", 1, is_result=True, patient=True) for n in range(3))
        )


async def test_those_a_batch_had_no_room_for_wait_no_longer() -> None:
    """They have waited already: with large ones it was that long again after each batch."""
    disk = Disk()
    group = GroupCommit(disk.begin, Limits(batch_bytes=10))
    results = [group.submit(f"result {n}", 8, is_result=True, patient=True) for n in range(3)]
    async with asyncio.timeout(HANG_S / 2):
        await asyncio.gather(group.submit("event", 1), *results)
    assert disk.batches == [["event", "result 0"], ["result 1"], ["result 2"]]


async def test_one_that_cannot_wait_takes_those_that_can_along() -> None:
    disk = Disk()
    group = GroupCommit(disk.begin)
    patient = group.submit("patient", 1, is_result=True, patient=True)
    await group.submit("other", 1, is_result=True)
    assert disk.batches == [["patient", "other"]]
    assert patient.done()


async def test_what_comes_during_a_batch_may_wait_for_the_next_event_too() -> None:
    disk = Disk()
    group = GroupCommit(disk.begin)
    (first,) = await waiting(group, disk)
    result = group.submit("result", 1, is_result=True, patient=True)
    disk.free.set()
    await first
    await group.submit("event", 1)
    assert disk.batches == [["first"], ["event", "result"]]
    assert result.done()


async def test_closing_waits_for_results_that_wait() -> None:
    disk = Disk()
    group = GroupCommit(disk.begin)
    result = group.submit("result", 1, is_result=True, patient=True)
    async with asyncio.timeout(HANG_S / 2):
        await group.close()
    assert disk.batches == [["result"]]
    assert result.done()


async def test_a_bad_result_that_waited_fails_alone() -> None:
    disk = Disk()
    group = GroupCommit(disk.begin)
    bad = group.submit("bad", 1, is_result=True, patient=True)
    await group.submit("event", 1)
    with pytest.raises(WriteRejected):
        await bad
    assert disk.batches == [["event"]]
