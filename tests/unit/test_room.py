"""Room for bodies: some is left for small ones and for other clients; and the pace of a body."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatchd.receive.room import MIB, Bounds, NoRoom, Pace, Rates, Room, Share

BODY = 10 * MIB
SMALL = 64 * 1024


def test_large_bodies_leave_room_for_small_ones() -> None:
    """Thirteen bodies of 10 MiB, their last byte held back, kept everybody else out for 190 s."""
    room = Room()
    held = 0
    for number in range(13):
        share = Share(room, f"192.0.2.{number}")
        try:
            for _ in range(BODY // SMALL):
                share.add(SMALL)
        except NoRoom:
            continue
        held += 1
    assert held == 9
    for _ in range(100):
        Share(room, "198.51.100.7").whole(SMALL)
        Share(room, "198.51.100.7").add(SMALL)


def test_small_bodies_held_back_leave_room_for_those_that_are_here() -> None:
    """512 bodies of 255 KiB, their last byte held back by four clients, kept all others out."""
    room = Room()
    for number in range(4096):
        try:
            Share(room, f"192.0.2.{number % 16}").add(255 * 1024)
        except NoRoom:
            break
    for _ in range(4096):  # as many as there are connections
        Share(room, "198.51.100.7").add(1024)  # its head came first, as many clients write it
    Share(room, "198.51.100.7").whole(SMALL)


def test_one_client_leaves_room_for_others() -> None:
    room = Room()
    shares = [Share(room, "192.0.2.1") for _ in range(4)]
    for share in shares[:3]:
        share.add(BODY)
    with pytest.raises(NoRoom):
        shares[3].add(BODY)
    Share(room, "192.0.2.2").add(BODY)
    Share(room).add(BODY)  # nobody known: a proxy that names none, a unix socket
    with shares[0]:
        pass
    shares[3].add(0)
    for _ in range(8 * MIB // SMALL):  # its large ones keep its small ones out no more
        Share(room, "192.0.2.1").add(SMALL)
    with pytest.raises(NoRoom):
        Share(room, "192.0.2.1").add(SMALL)
    Share(room, "192.0.2.1").whole(SMALL)


def test_a_single_body_may_be_as_large_as_the_config_says() -> None:
    room = Room()
    with Share(room, "192.0.2.1") as share:
        share.add(100 * MIB)
    assert room.is_empty


def held(room: Room) -> tuple[int, int, dict[str, int], dict[str, int]]:
    clients = (dict(room.clients_large), dict(room.clients_small))
    return (room.all_bytes, room.large_bytes, *clients)


def test_a_large_body_that_is_here_at_once_makes_no_room_for_large_ones() -> None:
    """One that waited behind another request was given back twice: 96 MiB became any number."""
    room = Room()
    with Share(room, "192.0.2.1") as share:
        share.whole(MIB // 2)
    assert room.is_empty


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", None]), st.lists(st.integers(0, 60), max_size=4)),
        max_size=12,
    )
)
def test_what_is_taken_is_given_back(bodies: list[tuple[str | None, list[int]]]) -> None:
    bounds = Bounds(
        all_bytes=200, large_bytes=120, small_bytes=50, client_bytes=100, client_small_bytes=60
    )
    room, shares = Room(bounds), []
    for client, parts in bodies:
        share = Share(room, client)
        shares.append(share)
        for size in parts:
            before = held(room)
            try:
                share.add(size)
            except NoRoom:
                assert held(room) == before
        assert room.all_bytes <= bounds.all_bytes
        assert room.large_bytes == sum(share._large_bytes for share in shares)
    for share in shares:
        with share:
            pass
    assert room.is_empty


RATES = Rates(start_s=30, slowest_bytes_per_s=64 * 1024, grace_s=10, least_bytes_per_s=16 * 1024)


def test_a_last_byte_held_back_ends_after_the_grace() -> None:
    pace = Pace(RATES, BODY, now_s=100.0)
    pace.came(BODY - 1, now_s=101.0)
    assert pace.deadline_s == 111.0  # it was 290 by the declared size


def test_a_trickle_is_too_slow() -> None:
    pace, now_s, came = Pace(RATES, BODY, now_s=0.0), 0.0, 0
    while now_s < pace.deadline_s:
        pace.came(8 * 1024, now_s)  # half of the least rate
        now_s, came = now_s + 1.0, came + 8 * 1024
    assert 18 <= now_s <= 22
    assert came < BODY


def test_the_least_rate_is_enough_until_the_whole_is_late() -> None:
    pace, now_s = Pace(RATES, BODY, now_s=0.0), 0.0
    while now_s < pace.deadline_s:
        pace.came(16 * 1024, now_s)
        now_s += 1.0
    assert now_s == 190.0
