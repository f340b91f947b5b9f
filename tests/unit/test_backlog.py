"""What a lane has in hand, and when it looks for more."""

import asyncio

import pytest
from nouns import NOW_MS
from rig import FakeClock

from dispatchd.deliver.backlog import Backlog
from dispatchd.deliver.room import Room
from dispatchd.errors import StoreUnavailable
from dispatchd.store.sqlite import SqliteStore


def a_backlog(clock: FakeClock, room: Room) -> Backlog:
    """Make a backlog over a store that nobody has opened."""
    return Backlog("crm", SqliteStore("never-opened.db"), clock, room, asyncio.Event().set)


async def test_a_look_that_failed_is_made_again_and_no_new_event_overtakes_what_it_would_find() -> (
    None
):
    """What was owed before a fault of the store waited for half a minute after it."""
    clock, room = FakeClock(), Room(1)
    backlog = a_backlog(clock, room)
    with pytest.raises(StoreUnavailable):
        await backlog.look(10, failing=False)
    assert backlog.should_look(clock.monotonic_s(), 16)
    assert not backlog.offer(100, failing=False)
    assert room.used_bytes == 0


async def test_only_what_is_due_sooner_than_the_next_look_is_news() -> None:
    clock = FakeClock()
    clock.wall_ms = NOW_MS
    backlog = a_backlog(clock, Room(1))
    backlog.more_in_store = False
    backlog._look_at_s = 30.0
    assert backlog.expect(NOW_MS + 5000)
    assert not backlog.expect(NOW_MS + 6000)
    assert backlog.idle_s(0.0) == 5.0
    assert not backlog.should_look(4.9, 16)
    assert backlog.should_look(5.0, 16)
