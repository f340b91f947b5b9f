"""The duties over a real store: the clock's watch, what is forgotten, the probe."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from locks import write_lock
from nouns import an_event
from rig import FakeClock, RecordingLog

from dispatchd.store.base import Idempotency
from dispatchd.store.health import StoreHealth
from dispatchd.store.sqlite import SqliteStore
from dispatchd.upkeep.clock_watch import ClockWatch
from dispatchd.upkeep.forgetting import Forgetting
from dispatchd.upkeep.probe import Probe

HOUR_MS = 3_600_000


class Rig:
    """A store, a clock and the duties of one run of the daemon."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = FakeClock()
        self.log = RecordingLog()
        self.faults: list[Any] = []
        self.jumps: list[None] = []

    async def start(self) -> None:
        self.store = SqliteStore(str(self.path), busy_timeout_ms=1)
        await self.store.open()
        await self.store.open_lanes(["crm"])
        self.health = StoreHealth(self.faults.append)
        self.watch = ClockWatch(
            self.store, self.health, self.clock, self.log, lambda: self.jumps.append(None)
        )
        await self.watch.start()

    async def stop(self) -> None:
        await self.watch.keep()
        await self.store.close()

    async def crash(self) -> None:
        """Nothing is written any more."""
        await self.store.close()

    async def owe(self, in_ms: int) -> None:
        await self.store.add_event(an_event(received_ms=self.clock.now_ms() + in_ms), ["crm"])

    async def due_in_ms(self) -> list[int]:
        far_ms = self.clock.now_ms() + 1000 * HOUR_MS
        due = await self.store.claim("crm", far_ms, 100, 8_000_000)
        for delivery, _ in due.ready:
            self.store.release(delivery)
        return [delivery.due_ms - self.clock.now_ms() for delivery, _ in due.ready]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path / "s.db")
    await rig.start()
    yield rig
    await rig.store.close()


async def test_a_clock_set_back_while_the_database_is_locked_is_not_forgotten(rig: Rig) -> None:
    await rig.owe(60_000)
    with write_lock(rig.path):
        rig.clock.set_wall(-3600)
        for _ in range(3):
            await rig.watch.step()
            rig.clock.advance(1)
        assert await rig.due_in_ms() == [HOUR_MS + 57_000]
        assert [fault.reason for fault in rig.faults if fault] == ["locked"]
    for _ in range(3):
        await rig.watch.step()
    assert await rig.due_in_ms() == [57_000]
    assert [line["jump_ms"] for line in rig.log.of("clock_jump")] == [-HOUR_MS]
    assert rig.jumps, "lanes look again"


@pytest.mark.parametrize("end", ["stop", "crash"])
async def test_a_clock_set_back_while_the_daemon_was_down_postpones_nothing(
    rig: Rig, end: str
) -> None:
    await rig.owe(60_000)
    await getattr(rig, end)()
    rig.clock.set_wall(-3600)
    for _ in range(2):  # and once is enough
        await rig.start()
        assert await rig.due_in_ms() == [60_000]
        await rig.crash()
    (line,) = rig.log.of("clock_jump")
    assert (line["jump_ms"], line["while_down"]) == (-HOUR_MS, True)


async def test_a_crash_before_a_jump_was_written_counts_it_once(rig: Rig) -> None:
    await rig.owe(60_000)
    with write_lock(rig.path):
        rig.clock.set_wall(-3600)
        await rig.watch.step()
    await rig.crash()
    await rig.start()
    await rig.watch.step()
    assert await rig.due_in_ms() == [60_000]


async def test_a_clock_set_right_again_before_it_was_written_leaves_nothing(rig: Rig) -> None:
    await rig.owe(60_000)
    with write_lock(rig.path):
        for change_s in (-3600, 3600):
            rig.clock.set_wall(change_s)
            await rig.watch.step()
    await rig.watch.step()
    assert await rig.due_in_ms() == [60_000]


@pytest.mark.parametrize("turns", range(4))
async def test_a_jump_whose_writing_was_cut_short_is_counted_once(rig: Rig, turns: int) -> None:
    """At the end of the daemon the watch is cancelled, and the clock kept a last time."""
    await rig.owe(2 * HOUR_MS)
    rig.clock.set_wall(-3600)
    step = asyncio.create_task(rig.watch.step())
    for _ in range(turns):
        await asyncio.sleep(0)
    step.cancel()
    await asyncio.gather(step, return_exceptions=True)
    await rig.stop()
    await rig.start()
    assert await rig.due_in_ms() == [2 * HOUR_MS]


async def test_a_quiet_clock_is_written_once_a_minute(rig: Rig) -> None:
    began_ms = await rig.store.kept_time()
    for _ in range(59):
        rig.clock.advance(1)
        await rig.watch.step()
    assert await rig.store.kept_time() == began_ms
    rig.clock.advance(1)
    await rig.watch.step()
    assert await rig.store.kept_time() == began_ms + 60_000


async def test_keys_are_forgotten_in_batches_once_their_window_is_over(rig: Rig) -> None:
    until_ms = rig.clock.now_ms() + 1000
    await asyncio.gather(
        *(
            rig.store.add_event(
                an_event(received_ms=rig.clock.now_ms()),
                [],
                Idempotency(f"{n}", until_ms + n % 2),
            )
            for n in range(1300)
        )
    )
    forgetting = Forgetting(rig.store, rig.clock)
    assert await forgetting.step() == 0
    rig.clock.set_wall(1)
    assert [await forgetting.step() for _ in range(3)] == [500, 150, 0]
    rig.clock.advance(1)
    with write_lock(rig.path):
        assert await forgetting.step() == 0  # nothing is lost by that
    assert [await forgetting.step() for _ in range(3)] == [500, 150, 0]


async def test_the_probe_finds_a_deleted_database_on_a_quiet_day(rig: Rig) -> None:
    probe = Probe(rig.store, rig.health, rig.clock)
    aside = rig.path.with_name("aside")
    await probe.check()
    assert rig.faults == []
    rig.path.rename(aside)
    await probe.check()
    await probe.ping()
    assert [fault.reason for fault in rig.faults if fault] == ["replaced"]  # said once
    aside.rename(rig.path)
    await probe.ping()
    assert rig.faults[1:] == [None]
