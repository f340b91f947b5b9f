"""Our HTTP server: heads without end, bodies in tiny parts, and what waits meanwhile."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import uvloop
from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from rig import RecordingLog
from rig_socket import answer, request

from dispatchd.receive.answers import HttpAnswer
from dispatchd.receive.connection import HEAD_MAX_BYTES, LINES_AT_ONCE, SLICE_BYTES
from dispatchd.receive.connections import Connections
from dispatchd.receive.server import Handler, Timeouts, http_server

Serve = Callable[[Timeouts], Awaitable[int]]


@asynccontextmanager
async def server(timeouts: Timeouts, handler: Handler | None = None) -> AsyncIterator[int]:
    """Run our HTTP server; without a handler, over one that says how long the body was."""

    async def handle(request: web.BaseRequest) -> HttpAnswer:
        return HttpAnswer(200, str(len(await request.read())).encode())

    made = http_server(handler or handle, RecordingLog(), Connections(100, 100), timeouts)
    runner = web.ServerRunner(made, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    async with AsyncExitStack() as running:

        async def start(timeouts: Timeouts) -> int:
            return await running.enter_async_context(server(timeouts))

        yield start


@pytest.mark.parametrize("sent", [b"", b"POST", b"POST / HTTP/1.1\r\nHost: x\r\nX-A: b\r\n"])
async def test_a_head_that_never_ends_is_a_408(serve: Serve, sent: bytes) -> None:
    port = await serve(Timeouts(head_s=0.05))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    status, _ = await answer(reader)
    assert status == 408
    writer.close()


async def test_a_second_head_that_never_ends_is_a_408(serve: Serve) -> None:
    port = await serve(Timeouts(head_s=0.05))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request())
    assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
    writer.write(b"POST /hooks")
    _, raw = await answer(reader)
    assert b" 408 " in raw
    writer.close()


async def test_a_kept_connection_may_rest_longer_than_a_head_may_take(serve: Serve) -> None:
    """The time for a head begins with its first byte; the body of one before it is no head."""
    port = await serve(Timeouts(head_s=0.05, keepalive_s=0.4))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    whole = request(b"x" * 200_000)
    for part in (whole[:30], whole[30:400], whole[400:100_000], whole[100_000:]):
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0)
    _, raw = await answer(reader)  # ends by the keepalive, without a 408
    assert raw.count(b"HTTP/1.1 ") == 1
    assert b"200000" in raw
    writer.close()


@pytest.mark.parametrize("kept", [False, True])
async def test_a_head_without_end_is_a_431(serve: Serve, kept: bool) -> None:
    port = await serve(Timeouts())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    if kept:
        writer.write(request())
        assert (await reader.readuntil(b"\r\n\r\n19")).startswith(b"HTTP/1.1 200 ")
    head = b"POST / HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 4000) for n in range(20))
    writer.write(head[: HEAD_MAX_BYTES + 1])
    status, raw = await answer(reader)
    assert status == 431
    assert b'"headers_too_large"' in raw
    writer.close()


def test_a_head_without_end_that_comes_at_once_is_a_431() -> None:
    """On the daemon's loop it may be here before aiohttp has begun to wait for it."""

    async def scenario() -> tuple[int, bytes]:
        async with server(Timeouts()) as port:
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(b"POST / HTTP/1.1\r\n" + b"X-A: %s\r\n" % (b"y" * 8000) * 9)
                reader, writer = await asyncio.open_connection(sock=client)
                try:
                    return await answer(reader)
                finally:
                    writer.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        status, _ = runner.run(scenario())
    assert status == 431


@pytest.mark.parametrize(
    ("head_bytes", "told"), [(HEAD_MAX_BYTES + 1, b" 431 "), (30_000, b" 408 ")]
)
async def test_a_head_that_comes_while_another_is_answered_is_bounded_too(
    monkeypatch: pytest.MonkeyPatch, head_bytes: int, told: bytes
) -> None:
    """Behind a refusal that waits, a MiB of headers was held for 75 s: 235 MB for one client."""
    came, go_on = asyncio.Event(), asyncio.Event()
    feed, fed = RequestHandler.data_received, 0

    def watched(self: RequestHandler, data: bytes) -> None:
        nonlocal fed
        feed(self, data)
        fed += len(data)
        came.set()

    async def handle(request: web.BaseRequest) -> HttpAnswer:
        body = await request.read()
        await go_on.wait()
        return HttpAnswer(200, str(len(body)).encode())

    monkeypatch.setattr(RequestHandler, "data_received", watched)
    first = request(b"x" * 300_000)
    head = b"POST / HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 4000) for n in range(20))
    async with server(Timeouts(head_s=0.05), handle) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        sent = 0
        for part in (first, head[:head_bytes]):  # a read that ends one and begins the next is free
            writer.write(part)
            sent += len(part)
            while fed < sent:
                came.clear()
                await came.wait()
        go_on.set()
        status, raw = await answer(reader)
        assert status == 200
        assert raw.partition(b"300000")[2].startswith(b"HTTP/1.1" + told)
        writer.close()


async def test_a_header_too_long_is_a_431(serve: Serve) -> None:
    port = await serve(Timeouts())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request(head=f"X-Long: {'y' * 9000}\r\n"))
    status, _ = await answer(reader)
    assert status == 431
    writer.close()


async def test_a_body_in_tiny_chunks_is_parsed_in_slices(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read full of chunks of one byte kept the loop for 33 ms, before any proof."""
    fed: list[int] = []
    feed = RequestHandler.data_received

    def watched(self: RequestHandler, data: bytes) -> None:
        fed.append(len(data))
        feed(self, data)

    monkeypatch.setattr(RequestHandler, "data_received", watched)
    port = await serve(Timeouts())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n")
    status, raw = await answer(reader)
    assert (status, raw[-6:]) == (200, b"100000")
    assert max(fed) <= max(SLICE_BYTES, 2 * LINES_AT_ONCE * 6)
    writer.close()


@pytest.mark.parametrize(
    ("sent", "answers"),
    [
        (
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"1\r\nx\r\n" * 200_000
            + b"0\r\n\r\n",
            1,
        ),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 10_000, 10_000),
    ],
    ids=["chunks", "requests"],
)
async def test_what_is_sent_in_tiny_parts_waits_with_its_sender(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, sent: bytes, answers: int
) -> None:
    """More was read while what had been read was not fed yet: 60 MB a connection, uncounted."""
    read_ahead: list[bool] = []
    feed = RequestHandler.data_received

    def watched(self: RequestHandler, data: bytes) -> None:
        transport = self.transport
        assert isinstance(transport, asyncio.Transport)
        read_ahead.append(bool(self._unfed) and transport.is_reading())  # type: ignore[attr-defined]
        feed(self, data)

    monkeypatch.setattr(RequestHandler, "data_received", watched)
    port = await serve(Timeouts())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    _, raw = await answer(reader)
    assert raw.count(b"HTTP/1.1 200 ") == answers + 1
    assert len(read_ahead) > 10
    assert not any(read_ahead)
    writer.close()


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("lines", [20_000, 500_000])
def test_a_body_of_lines_whose_sender_ends_its_side_is_answered(
    lines: int, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """The daemon's loop gave the end of it before what had been read was fed: no answer at all."""

    async def scenario() -> tuple[int, bytes]:
        async with server(Timeouts()) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request(b"\r\n" * lines))
            writer.write_eof()
            try:
                return await answer(reader)
            finally:
                writer.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        status, raw = runner.run(scenario())
    assert (status, raw.rpartition(b"\r\n")[2]) == (200, str(2 * lines).encode())


async def test_a_large_body_is_fed_as_it_comes(serve: Serve) -> None:
    port = await serve(Timeouts())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request(b"\r\n" * 500_000, head="Connection: close\r\n"))
    status, raw = await answer(reader)
    assert (status, raw[-7:]) == (200, b"1000000")
    writer.close()
