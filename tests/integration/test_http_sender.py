"""HttpSender's connections: when one is kept, used again, given up."""

import asyncio
import socket

import pytest
import uvloop
from patience import HANG_S
from rig_raw import OK, Connections, Start, answering, ok, one_request, post

from dispatchd.model import Reply
from dispatchd.send import HttpSender
from dispatchd.send.answer import Answer
from dispatchd.send.connect import FOREVER_S
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
    async with asyncio.timeout(HANG_S):
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
    async with asyncio.timeout(HANG_S):
        await gone.wait()


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


async def test_a_tunnel_that_was_opened_leaves_no_timer_behind() -> None:
    """It has two hours, and nobody tells it when the connection that it became is gone."""
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    transport, connection = await loop.create_connection(
        lambda: Connection(loop, lambda _: None), sock=ours
    )
    theirs.send(b"HTTP/1.1 200 OK\r\n\r\n")
    deadline_s = loop.time() + FOREVER_S
    await connection.exchange(b"CONNECT", b"", Answer(tunnel=True), deadline_s)
    assert connection.detach() is transport
    assert connection._timer is None
    transport.abort()
    theirs.close()


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
