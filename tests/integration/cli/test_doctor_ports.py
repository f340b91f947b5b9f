"""What `dispatchd doctor` finds where a daemon listens, or is to."""

import socket
import threading

import pytest
from rig_doctor import acts, configure, findings, started
from rig_served import free_port

from dispatchd.doctor import ports
from dispatchd.model import Listen


def test_a_port_that_another_has(sound, there):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        configure(sound, there, listen=f"127.0.0.1:{taken}")
        (found,) = acts(findings(sound))
    assert found[:2] == (
        "listen",
        f"127.0.0.1:{taken} cannot be listened on: Address already in use",
    )
    assert f"ss -ltnp sport = :{taken}" in found[2]


def test_an_address_that_is_not_ours(sound, there):
    configure(sound, there, admin="203.0.113.7:8081")
    sound.config.write_text(
        sound.config.read_text().replace("203.0.113.7:8081", "203.0.113.7:8081, token: " + "t" * 40)
    )
    (found,) = acts(findings(sound))
    assert found[0] == "admin"
    assert "Cannot assign requested address" in found[1]


def test_a_daemon_that_listens_elsewhere(sound, there, process):
    """Its config has changed since it started."""
    started(sound, process)
    configure(sound, there)
    found = acts(findings(sound))
    assert [check for check, _, _ in found] == ["listen", "admin"]
    assert all("does not answer: Connection refused" in said for _, said, _ in found)
    assert all("dispatchd reload" in todo for _, _, todo in found)


def test_somebody_else_where_the_daemon_should_be(sound, there, process):
    started(sound, process)
    with socket.create_server(("127.0.0.1", 0)) as other:
        configure(sound, there, listen=f"127.0.0.1:{other.getsockname()[1]}")
        answering = threading.Thread(target=greet, args=(other,))
        answering.start()
        found = acts(findings(sound))
        answering.join()
    assert "something that is no dispatchd answers" in found[0][1]


def greet(listener: socket.socket) -> None:
    """Answer one request, in HTTP, as no daemon of ours does."""
    taken, _ = listener.accept()
    with taken:
        taken.recv(1000)
        taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")


def test_a_unix_socket(sound, there, process):
    path = sound.directory / "hooks.sock"
    configure(sound, there, listen=f"unix:{path}")
    assert "is free" in findings(sound, code=0)["listen"][0]["said"]
    started(sound, process)
    assert "answers" in findings(sound, code=0)["listen"][0]["said"]


def test_what_keeps_a_unix_socket_from_being_made(tmp_path):
    free = tmp_path / "free.sock"
    assert ports.unfree(Listen(path=str(free))) is None
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(free))
        assert ports.unfree(Listen(path=str(free))) is None  # a dead process left it
        left.listen()
        assert ports.unfree(Listen(path=str(free))) == "another process listens there"
    (tmp_path / "file").touch()
    assert ports.unfree(Listen(path=str(tmp_path / "file"))) == "the file is not a socket"
    nowhere = tmp_path / "no" / "x.sock"
    assert ports.unfree(Listen(path=str(nowhere))) == f"{nowhere.parent} is not a directory"
    assert ports.unfree(Listen("127.0.0.1", free_port())) is None
    assert ports.unfree(Listen("::1", free_port())) in (None, "Cannot assign requested address")


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        (None, ("note", "systemd: systemd binds it, and cannot be asked from here")),
        (
            {"ActiveState": "active", "SubState": "listening"},
            ("ok", "systemd: dispatchd.socket is active (listening)"),
        ),
        (
            {"ActiveState": "inactive"},
            ("act", "systemd: dispatchd.socket is inactive, so nobody listens"),
        ),
    ],
)
def test_a_socket_of_systemds(sound, there, monkeypatch, told, meant):
    configure(sound, there, listen="systemd")
    monkeypatch.setattr(ports, "show", lambda _unit: told)
    (found,) = findings(sound, code=int(meant[0] == "act"))["listen"]
    assert (found["verdict"], found["said"]) == meant
