"""Floods: too many requests, too many connections, and clients that never finish."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import uvloop
from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from rig import SECRET, Daemon, FakeClock, RecordingLog, StartDaemon, signature

from dispatchd.receive import body as body_module
from dispatchd.receive.answers import HttpAnswer
from dispatchd.receive.connections import Connections
from dispatchd.receive.room import MIB, Bounds, Rates, Room
from dispatchd.receive.server import (
    HEAD_MAX_BYTES,
    LINES_AT_ONCE,
    SLICE_BYTES,
    Handler,
    Timeouts,
    http_server,
)

BODY = b'{"action":"opened"}'

CONFIG = f"""
server: {{listen: '127.0.0.1:0', trusted_proxies: [127.0.0.1]}}
endpoints:
  my-slug: {{secret: {SECRET}}}
  slow: {{secret: {SECRET}, rate_limit: {{rate: 30/m, burst: 2}}}}
  fair: {{secret: {SECRET}, rate_limit: 100/s, rate_limit_per_ip: 1/h}}
  known: {{secret: {SECRET}, allow_ips: [192.0.2.0/24, "2001:db8::1"]}}
"""


def via(client: str) -> dict[str, str]:
    return {"X-Forwarded-For": client}


async def test_an_endpoint_over_its_rate_is_a_429(start_daemon: StartDaemon) -> None:
    clock = FakeClock()
    daemon = await start_daemon(CONFIG, clock=clock)
    for client in ("192.0.2.1", "192.0.2.2"):
        await daemon.accepted(BODY, slug="slow", headers=via(client))
    status, document, headers = await daemon.post(BODY, slug="slow")
    assert (status, document["error"]["code"]) == (429, "rate_limited")
    assert headers["Retry-After"] == "2"
    await daemon.accepted(BODY)  # another endpoint's flood is not ours
    clock.advance(1.0)
    status, _, headers = await daemon.post(BODY, slug="slow")
    assert (status, headers["Retry-After"]) == (429, "1")
    clock.advance(1.0)
    await daemon.accepted(BODY, slug="slow")
    assert len(daemon.log.of("event", error="rate_limited")) == 2


async def test_one_client_over_its_rate_is_a_429(start_daemon: StartDaemon) -> None:
    daemon = await start_daemon(CONFIG, clock=FakeClock())
    await daemon.accepted(BODY, slug="fair", headers=via("192.0.2.1"))
    status, _, headers = await daemon.post(BODY, slug="fair", headers=via("6.6.6.6, 192.0.2.1"))
    assert (status, headers["Retry-After"]) == (429, "3600")
    await daemon.accepted(BODY, slug="fair", headers=via("192.0.2.2"))
    await daemon.accepted(BODY, slug="fair", headers={"Forwarded": "for=192.0.2.3"})


async def test_a_refusal_counts_no_forged_request_twice(start_daemon: StartDaemon) -> None:
    """Unsigned requests spend the rate too: checking a signature is what a flood costs."""
    daemon = await start_daemon(CONFIG, clock=FakeClock())
    for _ in range(2):
        status, _, _ = await daemon.post(BODY, slug="slow", secret="forged")
        assert status == 401
    status, _, _ = await daemon.post(BODY, slug="slow", secret="forged")
    assert status == 429


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ("192.0.2.77", 202),
        ("::ffff:192.0.2.77", 202),
        ("2001:db8::1", 202),
        ("2001:db8::2", 403),
        ("198.51.100.7", 403),
        ("192.0.2.77, 198.51.100.7", 403),
        ("nonsense", 403),
    ],
)
async def test_allow_ips(start_daemon: StartDaemon, client: str, expected: int) -> None:
    daemon = await start_daemon(CONFIG)
    status, document, _ = await daemon.post(BODY, slug="known", headers=via(client))
    assert status == expected
    if expected == 403:
        assert document["error"]["code"] == "ip_not_allowed"


async def connect(daemon: Daemon) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = daemon.url.removeprefix("http://").partition(":")
    return await asyncio.open_connection(host, int(port))


def request(body: bytes = BODY, *, declared: int | None = None, head: str = "") -> bytes:
    length = len(body) if declared is None else declared
    return (
        f"POST /hooks/my-slug HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n"
        f"X-Dispatch-Signature: {signature(body)}\r\n{head}\r\n"
    ).encode() + body


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read until the server closes; return the status and everything."""
    async with asyncio.timeout(20):
        raw = await reader.read()
    return int(raw.split()[1]), raw


@pytest.mark.parametrize(
    ("server", "most"),
    [
        ("max_connections: 2", 2),
        ("max_connections_per_client: 3", 3),
        ("max_connections: 3, max_connections_per_client: 1, trusted_proxies: [127.0.0.1]", 3),
    ],
)
async def test_connections_over_the_limit_are_closed(
    start_daemon: StartDaemon, server: str, most: int
) -> None:
    config = CONFIG.replace("trusted_proxies: [127.0.0.1]", server)
    daemon = await start_daemon(config)
    held = []
    for _ in range(most):
        reader, writer = await connect(daemon)
        writer.write(request())
        assert b" 202 " in await reader.readuntil(b"\r\n")
        held.append(writer)
    for _ in range(3):
        reader, writer = await connect(daemon)
        status, raw = await answer(reader)
        assert status == 503
        assert b"Retry-After: 1\r\n" in raw
        writer.close()
    (line,) = await daemon.log.wait_for("connections_refused")
    assert (line["count"], line["connections"]) == (3, most)
    held.pop().close()
    status = 503
    while status == 503:  # until the daemon has seen the close
        reader, writer = await connect(daemon)
        writer.write(request(head="Connection: close\r\n"))
        status, _ = await answer(reader)
        writer.close()
    assert status == 202
    for writer in held:
        writer.close()


async def test_a_body_that_never_ends_is_a_408(
    start_daemon: StartDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_module.read_body, "__defaults__", (Rates(grace_s=0.05),))
    daemon = await start_daemon(CONFIG)
    reader, writer = await connect(daemon)
    writer.write(request(declared=len(BODY) + 1))
    status, raw = await answer(reader)
    assert status == 408
    assert b'"timeout"' in raw
    writer.close()
    await daemon.accepted(BODY)
    assert len(daemon.log.of("event", error="timeout")) == 1


async def test_bodies_that_were_only_announced_keep_nobody_out(start_daemon: StartDaemon) -> None:
    daemon = await start_daemon(CONFIG)
    writers = []
    for _ in range(20):  # 200 MiB announced, more than all bodies may take together
        _, writer = await connect(daemon)
        writer.write(request(declared=10 * 1024 * 1024))
        await writer.drain()
        writers.append(writer)
    await daemon.accepted(BODY)
    for writer in writers:
        writer.close()


async def test_bodies_held_back_leave_room(
    start_daemon: StartDaemon,
) -> None:
    """Thirteen bodies of 10 MiB without their last byte kept everybody out for 190 s."""
    daemon = await start_daemon(CONFIG)
    daemon.app._receiver._room = Room(Bounds(4 * MIB, 3 * MIB, MIB // 4, 2 * MIB))
    room, writers = daemon.app._receiver._room, []
    for number, held in ((1, 1), (1, 2), (2, 3)):
        _, writer = await connect(daemon)
        head = f"X-Forwarded-For: 192.0.2.{number}\r\n"
        writer.write(request(b"x" * (MIB - 1), declared=MIB, head=head))
        async with asyncio.timeout(20):
            while room.large_bytes < held * MIB - held:
                await asyncio.sleep(0)
        writers.append(writer)
    large = b'"' + b"x" * MIB + b'"'
    for client in ("192.0.2.1", "192.0.2.3"):  # over its share; over all shares
        status, document, headers = await daemon.post(large, headers=via(client))
        assert (status, document["error"]["code"]) == (503, "unavailable_overloaded")
        assert headers["Retry-After"] == "1"
        await daemon.accepted(BODY, headers=via(client))
        await daemon.accepted(b'"' + b"x" * 200_000 + b'"', headers=via("192.0.2.4"))
    for writer in writers:
        writer.close()
    async with asyncio.timeout(20):
        while room.all_bytes:
            await asyncio.sleep(0)
    await daemon.accepted(large, headers=via("192.0.2.1"))
    assert room.is_empty


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
        assert (await reader.readuntil(b"19")).startswith(b"HTTP/1.1 200 ")
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
