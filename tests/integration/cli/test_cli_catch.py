"""`dispatchd catch` as a process of its own, and real requests to it."""

import hashlib
import http.client
import json
import signal
import socket

import pytest
from patience import HANG_S
from promised import promised


def port_of(line: bytes) -> int:
    """Read the port from the first line."""
    assert line.startswith(b"catching on http://127.0.0.1:"), line
    return int(line.rsplit(b":", 1)[1])


@pytest.fixture
def catch(process):
    """Start a receiver; return its process and port."""

    def start(*args: object):
        running = process("catch", "--port", 0, *args)
        announced = running.stderr if "--json" in args else running.stdout
        return running, port_of(announced.readline())

    return start


def post(port: int, body: bytes, path: str = "/in", headers=None, method="POST"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG_S)
    connection.request(method, path, body, headers or {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = (response.status, response.read())
    connection.close()
    return answer


def stop(running, number=signal.SIGTERM) -> str:
    """End the receiver and return what it had printed."""
    running.send_signal(number)
    out, err = running.communicate(timeout=HANG_S)
    assert (running.returncode, err) == (0, b"")
    return out.decode()


def test_prints_what_arrives(catch):
    running, port = catch()
    body = b'{"action":"opened","n":1.10}'
    assert post(port, body, "/in?a=1", {"X-Dispatch-Event-ID": "0198"}) == (200, b"ok\n")
    out = stop(running)
    assert "POST /in?a=1 28 B -> 200" in out
    assert "  X-Dispatch-Event-ID: 0198" in out
    assert f"28 bytes, sha256 {hashlib.sha256(body).hexdigest()}" in out
    assert '  {\n    "action": "opened",\n    "n": 1.10\n  }' in out


def test_each_request_is_shown_at_once(catch):
    running, port = catch("--quiet")
    for number in (1, 2):
        post(port, b"", method="PUT")
        assert running.stdout.readline().startswith(b"#%d " % number)


def test_json_lines_hold_the_whole_body(catch):
    running, port = catch("--json")
    post(port, b"{}")
    post(port, b"\xff\x00")
    running.send_signal(signal.SIGINT)
    out, _ = running.communicate(timeout=HANG_S)
    first, second = map(json.loads, out.splitlines())
    assert promised("catch", first)
    assert promised("catch", second)
    assert (first["method"], first["path"], first["body"]) == ("POST", "/in", "{}")
    assert ["Content-Type", "application/json"] in first["headers"]
    assert second["body_base64"] == "/wA="
    assert second["answered"] == 200
    assert running.returncode == 0


def test_fails_on_purpose(catch):
    _, always = catch("--status", 503)
    assert [post(always, b"")[0] for _ in range(3)] == [503] * 3
    _, some = catch("--fail", 0.5, "--seed", 7)
    statuses = [post(some, b"")[0] for _ in range(20)]
    assert set(statuses) == {200, 500}
    _, again = catch("--fail", 0.5, "--seed", 7, "--status", 429)
    mapped = {200: 200, 500: 429}
    assert [post(again, b"")[0] for _ in range(20)] == [mapped[s] for s in statuses]


def test_large_bodies_are_counted_whole(catch):
    running, port = catch()
    body = b"x" * (11 * 1024 * 1024)
    assert post(port, body)[0] == 200
    out = stop(running)
    assert f"{len(body):,} bytes, sha256 {hashlib.sha256(body).hexdigest()}" in out
    assert "cut here" in out
    assert len(out) < 100_000


def test_senders_cannot_command_the_terminal(catch):
    running, port = catch()
    evil = "\x1b[2J\x9b31m"
    assert post(port, evil.encode(), headers={"X-Evil": b"\x9b31m"}) == (200, b"ok\n")
    post(port, json.dumps({"a": evil, "é": 1}, ensure_ascii=False).encode())
    out = stop(running)
    assert all(c.isprintable() or c == "\n" for c in out)
    assert r"\x1b[2J" in out


def test_nonsense_is_no_traceback(catch):
    running, port = catch()
    with socket.create_connection(("127.0.0.1", port)) as raw:
        raw.sendall(b"\x00\xff nonsense\r\n\r\n")
        while raw.recv(4096):
            pass
    with socket.create_connection(("127.0.0.1", port)) as raw:
        raw.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
    assert post(port, b"")[0] == 200
    stop(running)


def test_a_delayed_answer_does_not_delay_the_end(catch):
    running, port = catch("--delay", "1h", "--quiet")
    with socket.create_connection(("127.0.0.1", port)) as raw:
        raw.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        assert running.stdout.readline().startswith(b"#1 ")
        stop(running)


def test_a_closed_pipe_ends_it_quietly(catch):
    running, port = catch("--quiet")
    running.stdout.close()
    post(port, b"")
    assert running.wait(timeout=HANG_S) == 0
    assert running.stderr.read() == b""


def test_a_taken_port_is_said(process):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        running = process("catch", "--port", taken.getsockname()[1])
        _, err = running.communicate(timeout=HANG_S)
    assert running.returncode == 1
    assert b"cannot listen on 127.0.0.1:" in err
    assert b"--port" in err
    assert b"Traceback" not in err


@pytest.mark.parametrize(
    "args",
    [("--fail", "2"), ("--status", "99"), ("--delay", "soon"), ("--port", "70000")],
)
def test_usage_errors(world, args):
    assert world.dispatchd("catch", *args).code == 2


def test_quiet_and_json_exclude_each_other(world):
    assert world.dispatchd("catch", "--quiet", "--json").code == 2
