"""Sockets that systemd hands over: which are taken, and what is said where they do not fit."""

import os
import socket

import pytest

from dispatchd import handed
from dispatchd.config.values import read_listen
from dispatchd.errors import DispatchdError
from dispatchd.handed import HandedSockets


@pytest.fixture
def first(monkeypatch):
    """Descriptors to hand over: a listener, a unix listener, a datagram socket, a file."""
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as unix,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
    ):
        unix.bind("")  # a name of the kernel's choice
        unix.listen()
        null = os.open(os.devnull, os.O_RDONLY)
        base = 200
        kept = [base + index for index in range(4)]
        for number, source in zip(
            kept, (tcp.fileno(), unix.fileno(), datagrams.fileno(), null), strict=True
        ):
            os.dup2(source, number)
        monkeypatch.setattr(handed, "FIRST_DESCRIPTOR", base)
        yield base
        for number in (*kept, null):
            os.close(number)


def variables(count: int, names: str, pid: int | None = None) -> dict[str, str]:
    return {
        "LISTEN_PID": str(pid or os.getpid()),
        "LISTEN_FDS": str(count),
        "LISTEN_FDNAMES": names,
        "OTHER": "x",
    }


def families(sockets: list[socket.socket]) -> list[int]:
    found = [one.family for one in sockets]
    for one in sockets:
        one.close()
    return found


def test_all_of_one_name(first):
    environ = variables(2, "dispatchd.socket:dispatchd.socket")
    sockets = HandedSockets(environ)
    assert environ == {"OTHER": "x"}  # no child takes them for its own
    assert not os.get_inheritable(first)
    for _ in range(2):  # a reload asks again
        assert families(sockets.get("")) == [socket.AF_INET, socket.AF_UNIX]


def test_by_name(first):
    sockets = HandedSockets(variables(2, "dispatchd.socket:admin.socket"))
    assert families(sockets.get("admin.socket")) == [socket.AF_UNIX]
    with pytest.raises(DispatchdError, match=r"systemd:admin\.socket, systemd:dispatchd\.socket"):
        sockets.get("")
    with pytest.raises(DispatchdError, match=r"on systemd:x\.socket: systemd has handed over adm"):
        sockets.get("x.socket")


def test_without_names(first):
    environ = variables(1, "")
    del environ["LISTEN_FDNAMES"]
    assert families(HandedSockets(environ).get("")) == [socket.AF_INET]


@pytest.mark.parametrize(
    "environ",
    [{}, {"LISTEN_FDS": "1"}, variables(0, ""), variables(1, "a", pid=1), {"LISTEN_FDS": "x"}],
)
def test_none_is_handed_over(environ):
    with pytest.raises(DispatchdError, match="no socket; start it by its socket unit"):
        HandedSockets(environ).get("")


@pytest.mark.parametrize("position", [2, 3], ids=["datagrams", "a file"])
def test_what_is_no_listener(first, position):
    names = ":".join("abcd")
    with pytest.raises(DispatchdError, match="ListenStream= and no Accept=yes"):
        HandedSockets(variables(4, names)).get("abcd"[position])


def test_a_listener_written_so():
    assert str(read_listen("systemd")) == "systemd"
    assert str(read_listen("systemd:admin.socket")) == "systemd:admin.socket"
    assert not read_listen("systemd").is_loopback  # so an admin listener wants a token
    for wrong in ("systemd:", "systemd: x", "systemd:a:b"):
        with pytest.raises(ValueError, match="named as its unit"):
            read_listen(wrong)
