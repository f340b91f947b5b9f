"""The lanes' bound on memory: what it counts, and how lanes share it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from patience import HANG_S
from rig import Daemon, FakeClock, Sink, StartDaemon, holding, simple_config
from rig_lanes import A_SECOND_OR_SO, owed_by_another, seconds_pass

from dispatchd.deliver import room
from dispatchd.store.base import Claimed
from dispatchd.store.sqlite import SqliteStore


@dataclass
class Taken:
    """The most that was taken at once of any room."""

    most_bytes: int = 0


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bound the memory so that a test reaches it."""
    monkeypatch.setattr(room, "SOFT_MAX_BYTES", 1_000_000)
    monkeypatch.setattr(room, "HARD_MAX_BYTES", 2_000_000)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Taken:
    taken = Taken()
    take = room.Room.take

    def watched(self: room.Room, size_bytes: int) -> None:
        take(self, size_bytes)
        taken.most_bytes = max(taken.most_bytes, self.used_bytes)

    monkeypatch.setattr(room.Room, "take", watched)
    return taken


async def all_given_back(daemon: Daemon, name: str) -> None:
    """Wait until a lane's room is empty: the last look may be under way, with its room taken."""
    shared = daemon.app._lanes._lanes[name]._backlog._room
    async with asyncio.timeout(HANG_S):
        while shared.used_bytes:
            await daemon.store.stats(0)


def many_lanes(url: str, lanes: int) -> str:
    names = [f"d{n}" for n in range(lanes)]
    lines = "\n".join(f"  {name}: {{url: '{url}'}}" for name in names)
    return (
        f"endpoints:\n  my-slug: {{auth: none, destinations: [{', '.join(names)}]}}\n"
        f"destinations:\n{lines}\n"
    )


async def test_the_bound_on_memory_holds_over_all_lanes(
    start_daemon: StartDaemon,
    sink_factory: Callable[[], Awaitable[Sink]],
    monkeypatch: pytest.MonkeyPatch,
    taken: Taken,
) -> None:
    """Twenty lanes with a backlog took 8 MiB each, and no look asked what the others had."""
    dead, good = await sink_factory(), await sink_factory()
    never = asyncio.Event()
    dead.answer = holding(never)
    monkeypatch.setattr(room, "FAILING_MAX_BYTES", 1_500_000)
    names = [f"d{n}" for n in range(20)]
    lines = "\n".join(f"  {n}: {{url: '{dead.url}'}}" for n in names)
    daemon = await start_daemon(
        f"endpoints:\n  my-slug: {{auth: none, destinations: [{', '.join(names)}]}}\n"
        "  fine: {auth: none, destinations: [good]}\n"
        f"destinations:\n  good: {{url: '{good.url}'}}\n{lines}\n"
    )
    for _ in range(40):
        await daemon.accepted(b'"' + b"x" * 100_000 + b'"', secret=None)
    for _ in range(40):
        await daemon.accepted(b'"' + b"y" * 30_000 + b'"', slug="fine", secret=None)
    await daemon.log.wait_for("attempt", count=40, destination="good")
    assert taken.most_bytes <= 2_000_000 + 20 * room.SMALL_BYTES
    never.set()
    await daemon.log.wait_for("attempt", count=20 * 40 + 40, result="success")
    await all_given_back(daemon, "d0")


async def test_lanes_that_wait_for_room_do_not_wake_each_other_for_ever(
    start_daemon: StartDaemon, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each gave back the room of a look in vain, which woke the next: 5,700 looks a second."""
    looks = 0
    claim = SqliteStore.claim

    async def counted(self: SqliteStore, *args: Any) -> Claimed:
        nonlocal looks
        looks += 1
        return await claim(self, *args)

    answer = asyncio.Event()
    sink.answer = holding(answer)
    clock = FakeClock()
    daemon = await start_daemon(many_lanes(sink.url, 4), clock=clock)
    for _ in range(10):
        await daemon.accepted(b'"' + b"x" * 70_000 + b'"', secret=None)
    await seconds_pass(daemon, clock, 1)
    monkeypatch.setattr(SqliteStore, "claim", counted)
    for _ in range(100):
        await daemon.store.stats(0)  # a write would be noticed: that is a look
    assert looks <= 8
    answer.set()
    await daemon.log.wait_for("attempt", count=40, result="success")


async def test_the_bound_on_memory_counts_what_a_small_delivery_takes_beside_its_body(
    start_daemon: StartDaemon, sink: Sink, tmp_path: Path, taken: Taken
) -> None:
    """A look asked for bytes of bodies alone: 256 tiny events took half a megabyte a lane."""
    answer = asyncio.Event()
    sink.answer = holding(answer)
    clock = FakeClock()
    names = [f"d{n}" for n in range(20)]
    await owed_by_another(tmp_path, clock, 150, *names)
    daemon = await start_daemon(many_lanes(sink.url, 20), clock=clock)
    await sink.wait_for(20 * 16)
    await seconds_pass(daemon, clock, A_SECOND_OR_SO)
    assert taken.most_bytes <= 1_000_000 + 20 * room.SMALL_BYTES
    answer.set()
    await daemon.log.wait_for("attempt", count=20 * 150, result="success")


async def test_the_bound_on_memory_counts_headers(start_daemon: StartDaemon, sink: Sink) -> None:
    """Of 56 KB of headers each event kept none was counted: 4,000 of them took 240 MB."""
    answer = asyncio.Event()
    sink.answer = holding(answer)
    daemon = await start_daemon(simple_config(sink, ", max_in_flight: 2"))
    headers = {f"X-Pad-{n}": "y" * 7000 for n in range(8)}
    for n in range(60):
        await daemon.accepted(b"%d" % n, headers=headers)
    lane = daemon.app._lanes._lanes["crm"]
    assert len(lane._ready) * 56_000 < 1_000_000
    answer.set()
    await daemon.log.wait_for("attempt", count=60, result="success")
    await all_given_back(daemon, "crm")
