"""The one bound on memory: who may take how much, and who hears of what comes free."""

import pytest

from dispatchd.deliver.room import HARD_MAX_BYTES, SOFT_MAX_BYTES, Room

MB = 1024 * 1024


class Waiter:
    def __init__(self) -> None:
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1


def test_a_waiting_lane_hears_only_of_room_that_is_enough_for_it() -> None:
    room, waiter = Room(4), Waiter()
    room.take(SOFT_MAX_BYTES)
    room.wait(waiter.wake, 2 * MB, MB, failing=False)
    room.give_back(MB)
    assert waiter.woken == 0
    room.give_back(MB)
    assert waiter.woken == 1
    room.give_back(MB)
    assert waiter.woken == 1


def test_who_waits_for_much_does_not_keep_the_news_from_who_waits_for_little() -> None:
    room, large, small = Room(4), Waiter(), Waiter()
    room.take(SOFT_MAX_BYTES)
    room.wait(large.wake, 8 * MB, MB, failing=False)
    room.wait(small.wake, MB, MB, failing=False)
    room.give_back(MB)
    assert (large.woken, small.woken) == (0, 1)


def test_a_lane_that_used_up_its_share_is_not_woken_by_others() -> None:
    room, waiter = Room(4), Waiter()
    room.take(SOFT_MAX_BYTES)
    room.wait(waiter.wake, MB, SOFT_MAX_BYTES // 8, failing=True)
    room.give_back(SOFT_MAX_BYTES)
    assert waiter.woken == 0


@pytest.mark.parametrize("failing", [False, True])
@pytest.mark.parametrize("size_bytes", [MB, 10 * MB, 40 * MB, 100 * MB])
def test_no_event_is_so_large_that_others_with_a_backlog_keep_it_out(
    size_bytes: int, *, failing: bool
) -> None:
    """From 32 MiB on it waited until nobody had anything in hand, and its lane with it."""
    room, waiter = Room(4), Waiter()
    room.take(SOFT_MAX_BYTES)
    assert room.fits(size_bytes, 0, failing=failing)
    room.take(HARD_MAX_BYTES - SOFT_MAX_BYTES)
    assert not room.fits(size_bytes, 0, failing=failing)
    room.wait(waiter.wake, size_bytes, 0, failing=failing)
    room.give_back(HARD_MAX_BYTES - SOFT_MAX_BYTES)
    assert waiter.woken == 1
