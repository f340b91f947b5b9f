"""HttpSender against servers that do to a connection what no server should."""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Iterator

import pytest
import uvloop
from rig_raw import OK, Connections, Start, answering, failed, ok, one_request, post

from dispatchd.model import ErrorClass, Reply, Request
from dispatchd.send import HttpSender
from dispatchd.send.connection import Connection


async def test_a_connection_is_kept_and_used_again(sender: HttpSender, start: Start) -> None:
    seen = Connections()
    url = await start(answering(seen, OK))
    for _ in range(3):
        assert ok(await sender.send(post(url))).head == b"ok"
    assert [number for number, _, _ in seen.requests] == [1, 1, 1]


async def test_exchanges_at_once_share_no_connection(sender: HttpSender, start: Start) -> None:
    """A connection is idle the moment its answer ends, before its sender wakes."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            _, body = await one_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    url = await start(echo)

    async def client(number: int) -> None:
        for index in range(50):
            body = b"%d-%d" % (number, index)
            assert ok(await sender.send(post(url, body))).head == body

    await asyncio.gather(*(client(number) for number in range(8)))


async def test_a_second_answer_is_not_the_next_ones(sender: HttpSender, start: Start) -> None:
    """An unsolicited answer on an idle connection: the next delivery must really be received."""
    seen = Connections()
    ready = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.opened += 1
        seen.requests.append((seen.opened, *await one_request(reader)))
        writer.write(OK)
        await ready.wait()
        writer.write(OK)
        await writer.drain()
        ready.clear()
        await reader.read()

    url = await start(serve)
    assert ok(await sender.send(post(url, b"first"))).status == 200
    ready.set()
    async with asyncio.timeout(20):
        while ready.is_set():
            await asyncio.sleep(0)
    ready.set()
    assert ok(await sender.send(post(url, b"second"))).status == 200
    assert [(number, body) for number, _, body in seen.requests] == [(1, b"first"), (2, b"second")]


@pytest.mark.parametrize("behind", [OK, b"x", b"\r\n", b"HTTP/1.1 500 No\r\n\r\n"])
async def test_bytes_behind_an_answer_close_its_connection(
    sender: HttpSender, start: Start, behind: bytes
) -> None:
    seen = Connections()
    url = await start(answering(seen, OK + behind))
    assert ok(await sender.send(post(url, b"first"))).status == 200
    assert ok(await sender.send(post(url, b"second"))).status == 200
    assert [(number, body) for number, _, body in seen.requests] == [(1, b"first"), (2, b"second")]


async def test_an_answer_before_the_request_was_written_is_the_last(
    sender: HttpSender, start: Start
) -> None:
    seen = Connections()

    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.opened += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        while await reader.read(65536):
            pass

    url = await start(early)
    for _ in range(2):
        assert ok(await sender.send(post(url, bytes(8 * 1024 * 1024)))).status == 413
    assert seen.opened == 2


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        (OK, True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n", True),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + OK, True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", False),
        (b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 2\r\n\r\nok", False),
        (b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=0\r\nContent-Length: 2\r\n\r\nok", False),
        (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", False),  # bare line feeds: read, not kept
    ],
)
async def test_what_ends_a_connection(
    sender: HttpSender, start: Start, answer: bytes, kept: bool
) -> None:
    seen = Connections()
    url = await start(answering(seen, answer))
    for _ in range(2):
        assert isinstance(await sender.send(post(url)), Reply)
    assert seen.opened == (1 if kept else 2)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok!",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;" + b"x" * 100_000 + b"\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokXX0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 50_000,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"220 mail.example.com ESMTP\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
        (b"HTTP/1.1 103 Early\r\nX: " + b"y" * 15_000 + b"\r\n\r\n") * 6,
    ],
    ids=lambda answer: answer[:70].decode().replace("\r\n", "|"),
)
async def test_what_is_no_answer(sender: HttpSender, start: Start, answer: bytes) -> None:
    url = await start(answering(Connections(), answer))
    assert failed(await sender.send(post(url))).error is ErrorClass.PROTOCOL


async def test_a_flood_of_interim_answers_does_not_hold_the_loop(
    sender: HttpSender, start: Start
) -> None:
    written = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await one_request(reader)
        while True:
            writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 1000)
            written += 1
            await writer.drain()

    url = await start(flood)
    began_s = time.process_time()
    assert failed(await sender.send(post(url))).error is ErrorClass.PROTOCOL
    assert written < 500, time.process_time() - began_s  # it ended at once: a bound, not a timeout


async def test_retry_after_is_found_behind_many_headers(sender: HttpSender, start: Start) -> None:
    padding = b"".join(b"X-Padding-%d: %s\r\n" % (n, b"y" * 200) for n in range(40))
    answer = b"HTTP/1.1 503 Busy\r\n" + padding + b"Retry-After: 120\r\nContent-Length: 0\r\n\r\n"
    reply = ok(await sender.send(post(await start(answering(Connections(), answer)))))
    assert reply.retry_after == "120"
    assert sum(len(n) + len(v) for n, v in reply.headers) <= 4096


async def test_headers_that_are_not_utf8_are_text(sender: HttpSender, start: Start) -> None:
    answer = b"HTTP/1.1 200 OK\r\nX-Odd: caf\xe9\r\nContent-Length: 0\r\n\r\n"
    reply = ok(await sender.send(post(await start(answering(Connections(), answer)))))
    for _, value in reply.headers:
        value.encode()  # no lone surrogate: it can be stored


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


class Closing:
    """A server of which the test holds the sockets: it closes one at an exact moment."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/in"

    def accept(self) -> socket.socket:
        """Accept a connection and answer its first request; blocks, so it runs in a thread."""
        accepted, _ = self.listener.accept()
        self.read_request(accepted)
        accepted.sendall(OK)
        return accepted

    def read_request(self, accepted: socket.socket) -> bytes:
        data = b""
        while not data.endswith(b"}"):
            data += accepted.recv(65536)
        return data


@pytest.fixture
def closing() -> Iterator[Closing]:
    server = Closing()
    yield server
    server.listener.close()


@pytest.mark.parametrize("body", [b"{}", b"x" * 60_000 + b"}"])
async def test_a_request_that_met_a_close_is_sent_again_at_once(
    sender: HttpSender, closing: Closing, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    """The other side had closed before the first byte came: it cannot have read anything."""
    first, accepted = await asyncio.gather(
        sender.send(post(closing.url)), asyncio.to_thread(closing.accept)
    )
    ok(first)
    is_fit = Connection.is_fit

    def close_behind(connection: Connection) -> bool:
        fit = is_fit(connection)
        accepted.close()
        return fit

    monkeypatch.setattr(Connection, "is_fit", close_behind)
    second, again = await asyncio.gather(
        sender.send(post(closing.url, body)), asyncio.to_thread(closing.accept)
    )
    again.close()
    assert ok(second).status == 200


@pytest.mark.parametrize("read", ["whole", "in part", "not at all", "then reset"])
async def test_a_request_that_arrived_is_not_sent_twice_by_a_hang_up(
    sender: HttpSender, closing: Closing, read: str
) -> None:
    """It may have been acted upon, however soon the hang-up comes: it is a failed attempt."""

    def hang_up(accepted: socket.socket) -> None:
        match read:
            case "whole":
                closing.read_request(accepted)
            case "in part":
                accepted.recv(10)
            case "not at all":
                assert accepted.recv(10, socket.MSG_PEEK)
            case _:
                closing.read_request(accepted)
                accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        accepted.close()

    first, accepted = await asyncio.gather(
        sender.send(post(closing.url)), asyncio.to_thread(closing.accept)
    )
    ok(first)
    second, _ = await asyncio.gather(
        sender.send(post(closing.url)), asyncio.to_thread(hang_up, accepted)
    )
    assert failed(second).error is ErrorClass.RESET
    closing.listener.settimeout(0.0)
    with contextlib.suppress(BlockingIOError):
        closing.listener.accept()
        pytest.fail("the request was sent again")


async def test_a_fresh_connection_that_closes_is_a_failed_attempt(
    sender: HttpSender, start: Start
) -> None:
    opened = 0

    async def serve(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1

    url = await start(serve)
    assert failed(await sender.send(post(url))).error is ErrorClass.RESET
    assert opened == 1


async def test_no_race_once_an_answer_had_begun(sender: HttpSender, start: Start) -> None:
    seen = Connections()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.requests.append((0, *await one_request(reader)))
        writer.write(OK)
        seen.requests.append((0, *await one_request(reader)))
        writer.write(b"HTTP/1.1 2")

    url = await start(serve)
    ok(await sender.send(post(url)))
    assert failed(await sender.send(post(url))).error is ErrorClass.RESET
    assert len(seen.requests) == 2


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


async def test_a_cancelled_exchange_leaves_no_connection(sender: HttpSender, start: Start) -> None:
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await one_request(reader)
        arrived.set()
        await reader.read()
        gone.set()

    url = await start(serve)
    sending = asyncio.create_task(sender.send(post(url)))
    await arrived.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    async with asyncio.timeout(10):
        await gone.wait()


async def test_a_body_without_end_is_read_to_the_bound(sender: HttpSender, start: Start) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await one_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1\r\nx\r\n" * 1000)
            await writer.drain()

    reply = ok(await sender.send(post(await start(serve))))
    assert reply.head == b"x" * 2048


async def test_an_answer_cut_by_our_own_end_is_no_success(start: Start) -> None:
    """Only the other side's end completes an answer without a length."""
    begun = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await one_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\npart")
        await writer.drain()
        begun.set()
        await reader.read()

    url = await start(serve)
    async with HttpSender() as sender:
        sending = asyncio.create_task(sender.send(post(url)))
        await begun.wait()
        (connection,) = sender._open
        async with asyncio.timeout(20):
            while connection._answer is not None and not connection._answer.status:
                await asyncio.sleep(0)
    assert failed(await sending).error is ErrorClass.RESET


async def test_a_service_that_speaks_no_http_is_told_at_once(
    sender: HttpSender, start: Start
) -> None:
    """A greeting without an empty line held its place until the timeout, and was called one."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await one_request(reader)
        writer.write(b"220 mail.example ESMTP\r\n")
        await reader.read()

    url = await start(serve)
    assert failed(await sender.send(post(url, timeout_s=60.0))).error is ErrorClass.PROTOCOL


async def test_what_a_sender_opens_while_it_closes_is_closed(start: Start) -> None:
    url = await start(answering(Connections(), OK))
    faults: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: faults.append(context))
    for steps in range(12):
        async with HttpSender() as sender:
            sending = [asyncio.create_task(sender.send(post(url))) for _ in range(3)]
            for _ in range(steps):
                await asyncio.sleep(0)
        await asyncio.gather(*sending)
    await asyncio.sleep(0)
    assert not faults


def test_a_send_cancelled_as_it_connects_closes_its_socket_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On the daemon's own loop: a number closed twice may be another file's by then."""
    connection_made = Connection.connection_made

    async def cancel_as_it_connects() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        async with HttpSender() as sender:
            sending = asyncio.create_task(sender.send(post(url)))

            def cancel(connection: Connection, transport: asyncio.BaseTransport) -> None:
                connection_made(connection, transport)
                sending.cancel()

            monkeypatch.setattr(Connection, "connection_made", cancel)
            with pytest.raises(asyncio.CancelledError):
                await sending
            assert not sender._open
        listener.close()

    uvloop.run(cancel_as_it_connects())


async def test_bytes_that_came_with_the_handshake_close_the_connection() -> None:
    """Through a tunnel they come before the connection has its transport, and were dropped."""
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
    connection = Connection(loop)
    connection.data_received(b"HTTP/1.1 200 OK\r\n")
    connection.connection_made(transport)
    assert transport.is_closing()
    theirs.close()
