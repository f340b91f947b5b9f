"""HttpSender: what its requests look like to the byte."""

import pytest
from rig_raw import OK, Connections, Start, answering, failed, ok, post

from dispatchd.model import ErrorClass, Request
from dispatchd.send import HttpSender


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("", b"/"),
        ("/", b"/"),
        ("?", b"/?"),
        ("?a", b"/?a"),
        ("/in?", b"/in?"),
        ("/%2F/%41/%e9/;x=1/'q'/a+b/{c}?x='%27&y=%2f&z", None),
        ("/a/../b//c/./d", None),
        ("/caf\u00e9?q=\u00fc", b"/caf%C3%A9?q=%C3%BC"),
        ("/in#fragment", b"/in"),
    ],
)
async def test_a_url_goes_out_as_written(
    sender: HttpSender, start: Start, path: str, sent: bytes | None
) -> None:
    seen = Connections()
    url = await start(answering(seen, OK))
    ok(await sender.send(post(url.removesuffix("/in") + path)))
    ((_, head, _),) = seen.requests
    assert head.split(b"\r\n")[0] == b"POST " + (sent or path.encode()) + b" HTTP/1.1"


async def test_user_and_password_become_a_header(sender: HttpSender, start: Start) -> None:
    seen = Connections()
    url = await start(answering(seen, OK))
    ok(await sender.send(post(url.replace("://", "://us%40er:p%3Ass@"))))
    assert b"\r\nAuthorization: Basic dXNAZXI6cDpzcw==\r\n" in seen.requests[0][1]
    assert b"er:p" not in seen.requests[0][1].split(b"Authorization")[0]


async def test_lines_of_the_same_name_all_go_out(sender: HttpSender, start: Start) -> None:
    seen = Connections()
    url = await start(answering(seen, OK))
    pairs = (("Content-Encoding", "br"), ("Content-Encoding", "gzip"), ("X-A", "1"))
    ok(await sender.send(Request("POST", url, pairs, b"{}", 10.0)))
    assert b"Content-Encoding: br\r\nContent-Encoding: gzip\r\nX-A: 1\r\n" in seen.requests[0][1]


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb"])
async def test_a_line_break_in_a_header_goes_nowhere(
    sender: HttpSender, start: Start, value: str
) -> None:
    seen = Connections()
    url = await start(answering(seen, OK))
    assert failed(await sender.send(post(url, **{"X-A": value}))).error is ErrorClass.INTERNAL
    assert seen.requests == []


async def test_framing_is_the_connections_own(sender: HttpSender, start: Start) -> None:
    """Headers forwarded from a sender cannot move the borders of a request."""
    seen = Connections()
    url = await start(answering(seen, OK))
    odd = {"Content-Length": "99", "transfer-encoding": "chunked", "HOST": "evil", "Expect": "x"}
    ok(await sender.send(post(url, b"abc", **odd)))
    head = seen.requests[0][1].lower()
    assert head.count(b"content-length: 3\r\n") == head.count(b"content-length") == 1
    assert b"evil" not in head
    assert b"transfer" not in head
    assert b"expect" not in head


async def test_a_large_body_arrives_whole(sender: HttpSender, start: Start) -> None:
    seen = Connections()
    url = await start(answering(seen, OK))
    body = bytes(range(256)) * 40_000
    for _ in range(2):
        ok(await sender.send(post(url, body)))
    assert [(number, arrived == body) for number, _, arrived in seen.requests] == [
        (1, True),
        (1, True),
    ]
