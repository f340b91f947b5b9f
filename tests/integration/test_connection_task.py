"""A connection answers all its requests in one task, each before anything is told of it."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from patience import HANG_S
from rig import RecordingLog
from rig_socket import answer, request

from dispatchd.receive import connection
from dispatchd.receive.answers import HttpAnswer
from dispatchd.receive.connection import WRITE_AT_ONCE_MAX_BYTES
from dispatchd.receive.connections import Connections
from dispatchd.receive.server import Handler, Timeouts, http_server


@asynccontextmanager
async def serving(
    handler: Handler | Callable[[web.BaseRequest], Awaitable[object]],
) -> AsyncIterator[tuple[int, RecordingLog]]:
    log = RecordingLog()
    made = http_server(handler, log, Connections(100, 100), Timeouts())  # type: ignore[arg-type]
    runner = web.ServerRunner(made, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield int(runner.addresses[0][1]), log
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("size_bytes", [2, WRITE_AT_ONCE_MAX_BYTES + 1])
async def test_an_answer_is_on_its_way_before_anything_is_told_of_it(size_bytes: int) -> None:
    loop = asyncio.get_running_loop()
    told: asyncio.Future[bytes] = loop.create_future()
    client = socket.socket()
    client.settimeout(0)

    async def handle(_: web.BaseRequest) -> HttpAnswer:
        made = HttpAnswer(200, b"x" * size_bytes)
        made.then = lambda: told.set_result(client.recv(100))  # raises where nothing has come
        return made

    async with serving(handle) as (port, _):
        await loop.sock_connect(client, ("127.0.0.1", port))
        await loop.sock_sendall(client, request())
        async with asyncio.timeout(HANG_S):
            raw = await told
        assert raw.startswith(b"HTTP/1.1 200 OK\r\n")
        client.close()


async def test_what_nobody_is_there_for_is_told_of_all_the_same() -> None:
    loop = asyncio.get_running_loop()
    came: asyncio.Future[web.BaseRequest] = loop.create_future()
    told: asyncio.Future[None] = loop.create_future()
    gone = asyncio.Event()

    async def handle(request: web.BaseRequest) -> HttpAnswer:
        came.set_result(request)
        await gone.wait()
        made = HttpAnswer(200, b"ok")
        made.then = lambda: told.set_result(None)
        return made

    async with serving(handle) as (port, _):
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(request())
        seen = await came
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()  # by a reset: an end alone leaves somebody to read
        while seen.transport is not None:
            await asyncio.sleep(0)
        gone.set()
        async with asyncio.timeout(HANG_S):
            await told


async def test_requests_sent_at_once_are_answered_in_turn_by_one_task() -> None:
    tasks: set[asyncio.Task[object] | None] = set()
    running = most = 0

    async def handle(request: web.BaseRequest) -> HttpAnswer:
        nonlocal running, most
        running += 1
        most = max(most, running)
        tasks.add(asyncio.current_task())
        body = await request.read()
        await asyncio.sleep(0)
        running -= 1
        return HttpAnswer(200, body)

    async with serving(handle) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        bodies = [b'{"n":%d}' % n for n in range(50)]
        writer.write(b"".join(map(request, bodies)))
        for body in bodies:
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ")
            assert await reader.readexactly(len(body)) == body
        writer.close()
    assert (len(tasks), most) == (1, 1)


async def test_a_fault_of_one_request_is_a_500_and_the_next_connection_works() -> None:
    async def handle(request: web.BaseRequest) -> HttpAnswer:
        if await request.read() == b"{}":
            raise RuntimeError("a fault")
        return HttpAnswer(200, b"ok")

    async with serving(handle) as (port, log):
        for body, status in ((b"{}", 500), (b"[]", 200)):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request(body, head="Connection: close\r\n"))
            got, _ = await answer(reader)
            assert got == status
            writer.close()
        assert [line["event"] for line in log.lines] == ["internal_error"]


async def test_who_sends_many_at_once_keeps_nobody_else_waiting() -> None:
    """A connection that was answered without waiting had all its answers in one turn."""
    turns = 0

    async def handle(_: web.BaseRequest) -> HttpAnswer:
        return HttpAnswer(404, b"")

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with serving(handle) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(b"") * 30)  # of one read, and one queue
        running = asyncio.create_task(others())
        for _ in range(30):
            await reader.readuntil(b"\r\n\r\n")
        running.cancel()
        writer.close()
    assert turns >= 30


async def test_answers_that_nobody_reads_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """One client sent requests for four seconds and read nothing: 84 MB were its answers."""
    monkeypatch.setattr(connection, "UNREAD_S", 0.05)
    answered = 0

    async def handle(_: web.BaseRequest) -> HttpAnswer:
        nonlocal answered
        answered += 1
        return HttpAnswer(200, b"x" * 1000)

    async with serving(handle) as (port, _):
        client = socket.create_connection(("127.0.0.1", port))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(0)

        async def send_for_ever() -> None:
            while True:
                await asyncio.get_running_loop().sock_sendall(client, request(b"") * 100)

        async with asyncio.timeout(HANG_S):
            with pytest.raises(ConnectionError):  # it is cut off
                await send_for_ever()
        client.close()
    assert answered * 1000 < 20_000_000
