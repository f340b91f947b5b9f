"""Whom a request comes from: read from the right, believed hop by hop."""

from ipaddress import ip_network

import pytest

from dispatchd.receive.client_ip import (
    HOPS_MAX,
    HOPS_MAX_CHARS,
    ClientIp,
    client_key,
    in_networks,
)
from dispatchd.receive.connections import NOBODY, Connections

TRUSTED = [ip_network("127.0.0.1"), ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], "10.0.0.1"),
        (["203.0.113.9"], "203.0.113.9"),
        (["6.6.6.6, 203.0.113.9"], "203.0.113.9"),
        (["6.6.6.6, 203.0.113.9, 10.1.1.1"], "203.0.113.9"),
        (["6.6.6.6", "203.0.113.9, 127.0.0.1"], "203.0.113.9"),
        (["203.0.113.9:4711"], "203.0.113.9"),
        (["[2606:4700::1]:443"], "2606:4700::1"),
        (["2606:4700::1, 2001:db8::5"], "2606:4700::1"),
        (["203.0.113.9, nonsense, 10.1.1.1"], "10.1.1.1"),
        (["203.0.113.9, unknown"], "10.0.0.1"),
        (["203.0.113.9,"], "10.0.0.1"),
        (["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
        (["fe80::1%\udcff\x1b, 10.2.2.2"], "fe80::1"),  # a zone is of another machine
    ],
)
def test_x_forwarded_for(values: list[str], found: str) -> None:
    assert ClientIp(TRUSTED, unix=False).find("10.0.0.1", values) == found


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (["for=203.0.113.9"], "203.0.113.9"),
        (["For=203.0.113.9;proto=https;by=10.0.0.2"], "203.0.113.9"),
        (["proto=https; for=203.0.113.9"], "203.0.113.9"),
        (['for="203.0.113.9:4711"'], "203.0.113.9"),
        (['for="[2606:4700::1]:443"'], "2606:4700::1"),
        (["for=6.6.6.6, for=203.0.113.9, for=10.1.1.1"], "203.0.113.9"),
        (["for=6.6.6.6", "for=203.0.113.9"], "203.0.113.9"),
        (["for=203.0.113.9, for=_hidden, for=10.1.1.1"], "10.1.1.1"),
        (["for=203.0.113.9, proto=https"], "10.0.0.1"),
        (["for=203.0.113.9;for=6.6.6.6"], "10.0.0.1"),
        (['for="203.0.113.9'], "10.0.0.1"),
        (['for="a,b", for=203.0.113.9'], "203.0.113.9"),
        ([""], "10.0.0.1"),
        (["for=203.0.113.9:4711"], "203.0.113.9"),  # as some proxies write it
        (["for=[2606:4700::1]:443;proto=http"], "2606:4700::1"),
        (['for="203.0.113.9" ; host="a;for=6.6.6.6"'], "203.0.113.9"),
        (['for=203.0.113.9;host="a\\";for=6.6.6.6;x=\\""'], "203.0.113.9"),
        # What a client wrote, and behind it what a proxy appended.
        (['for=6.6.6.6;x="' + ', for="[2606:4700::1]:443"'], "10.0.0.1"),
        (['for=6.6.6.6;x="' + ', for=203.0.113.9;host="h"'], "10.0.0.1"),
        (['for=6.6.6.6;x="' + ', for=203.0.113.9;host=";y=\\"z"'], "10.0.0.1"),
        (['x="', 'for=203.0.113.9;host="h"'], "203.0.113.9"),  # a line of its own
        (["nonsense, for=203.0.113.9"], "203.0.113.9"),
    ],
)
def test_forwarded(values: list[str], found: str) -> None:
    assert ClientIp(TRUSTED, unix=False).find("10.0.0.1", [], values) == found


def test_x_forwarded_for_counts_before_forwarded() -> None:
    client_ip = ClientIp(TRUSTED, unix=False)
    assert client_ip.find("10.0.0.1", ["203.0.113.9"], ["for=6.6.6.6"]) == "203.0.113.9"


@pytest.mark.parametrize("peer", ["198.51.100.7", "2606:4700::1"])
def test_who_is_not_trusted_speaks_for_nobody(peer: str) -> None:
    assert ClientIp(TRUSTED, unix=False).find(peer, ["6.6.6.6"], ["for=6.6.6.6"]) == peer


def test_a_unix_peer_is_trusted_where_any_proxy_is() -> None:
    assert ClientIp(TRUSTED, unix=True).find("", ["203.0.113.9"]) == "203.0.113.9"
    assert ClientIp([], unix=True).find("", ["203.0.113.9"]) is None
    assert ClientIp([], unix=False).find("127.0.0.1", ["203.0.113.9"]) == "127.0.0.1"


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("10.255.255.255", True),
        ("::ffff:10.0.0.1", True),
        ("2001:db8:ffff::", True),
        ("11.0.0.0", False),
        ("", False),
        (None, False),
        ("localhost", False),
    ],
)
def test_in_networks(address: str | None, inside: bool) -> None:
    assert in_networks(address, TRUSTED) is inside


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ("", ""),
    ],
)
def test_an_ipv6_client_is_its_64(address: str, key: str) -> None:
    assert client_key(address) == key


def test_connections_of_one_64_are_one_client() -> None:
    connections = Connections(9, 2)
    whose = "2001:db8::/64"
    assert [connections.enter(f"2001:db8::{n}") for n in range(3)] == [whose, whose, None]
    assert connections.enter("2001:db8:0:1::1") == "2001:db8:0:1::/64"
    connections.leave(whose)
    assert connections.enter("2001:db8::7") == whose


def test_connections_are_bounded_in_all_and_by_client() -> None:
    connections = Connections(5, 2, TRUSTED)
    whose = "203.0.113.9"
    assert [connections.enter(whose) for _ in range(3)] == [whose, whose, None]
    assert [connections.enter("127.0.0.1") for _ in range(3)] == [NOBODY] * 3
    assert connections.enter("198.51.100.7") is None
    assert connections.enter("127.0.0.1") is None
    connections.leave(whose)
    assert connections.enter(whose) == whose
    for key in (whose, whose, NOBODY, NOBODY, NOBODY):
        connections.leave(key)
    assert connections.open == 0
    assert [connections.enter(None) for _ in range(6)] == [NOBODY] * 5 + [None]


def test_who_was_let_in_is_counted_as_then_whatever_is_allowed_since() -> None:
    connections = Connections(5, 1)
    assert connections.enter("127.0.0.1") == "127.0.0.1"
    connections.allow(2, 1, TRUSTED)  # of a new config: it is a proxy now
    assert connections.enter("127.0.0.1") == NOBODY
    assert connections.enter("203.0.113.9") is None
    connections.leave("127.0.0.1")
    connections.leave(NOBODY)
    connections.allow(5, 1, ())
    assert connections.enter("127.0.0.1") == "127.0.0.1"


def test_an_exempt_proxy_that_leaves_makes_no_room_for_its_neighbours() -> None:
    connections = Connections(9, 2, [ip_network("2001:db8::1")])
    whose = "2001:db8::/64"
    assert [connections.enter(f"2001:db8::{n}") for n in (1, 2, 3)] == [NOBODY, whose, whose]
    connections.leave(NOBODY)
    assert connections.enter("2001:db8::4") is None


def test_a_long_way_is_not_followed() -> None:
    """30,000 trusted hops kept the loop for 150 ms, before any proof."""
    trusted = ClientIp([ip_network("127.0.0.0/8")], unix=False)
    asked: list[str] = []
    judge = trusted._is_trusted
    trusted._is_trusted = lambda address: asked.append(address) or judge(address)
    for lines in (["127.0.0.1," * 700 + "127.0.0.1"] * 100, ["127.0.0.2"] * 5000):
        asked.clear()
        assert trusted.find("127.0.0.3", lines) in ("127.0.0.1", "127.0.0.2")
        assert len(asked) <= HOPS_MAX + 1
        asked.clear()
        trusted.find("127.0.0.3", [], [f"for={line}" for line in lines])
        assert len(asked) <= HOPS_MAX + 1
    assert trusted.find("127.0.0.3", ["6.6.6.6, " + "x" * HOPS_MAX_CHARS]) == "127.0.0.3"
