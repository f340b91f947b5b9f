"""The listener's end: whoever was let in is answered, and then the connection closes."""

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from patience import HANG_S
from rig import RecordingLog, Sink, StartDaemon, signature, simple_config

from dispatchd.receive.answers import HttpAnswer
from dispatchd.receive.connections import Connections
from dispatchd.receive.server import close_listener, http_server

WHOLE = b"POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"


@dataclass
class Served:
    """A server whose handler waits until it may answer, and what it was asked."""

    runner: web.ServerRunner
    port: int = 0
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    handled: list[str] = field(default_factory=list)
    clients: "list[Client]" = field(default_factory=list)

    async def connect(self) -> "Client":
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        return client

    async def close(self, timeout_s: float = 20.0) -> bool:
        return await close_listener(self.runner, timeout_s)


@dataclass
class Client:
    """One connection, byte for byte."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> bytes:
        async with asyncio.timeout(HANG_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
            return head + await self.reader.readexactly(2)

    async def rest(self) -> bytes:
        async with asyncio.timeout(HANG_S):
            return await self.reader.read()


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async def handle(request: web.BaseRequest) -> HttpAnswer:
        served.begun.release()
        await request.content.read()
        await served.may_answer.wait()
        served.handled.append(request.path)
        return HttpAnswer(200, b"{}")

    server = http_server(handle, RecordingLog(), Connections(1000, 1000))
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    served = Served(runner)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    served.port = runner.addresses[0][1]
    yield served
    await runner.cleanup()
    for client in served.clients:
        client.writer.close()


async def closing(served: Served) -> "asyncio.Task[bool]":
    """Begin to close, and return once nobody new is let in."""
    task = asyncio.create_task(served.close())
    async with asyncio.timeout(HANG_S):
        while served.runner.sites:
            await asyncio.sleep(0)
    return task


async def test_what_is_under_way_is_answered_and_told_that_it_is_the_last(served: Served) -> None:
    asked, in_body, in_head = [await served.connect() for _ in range(3)]
    in_head.send((WHOLE % 3)[:9])
    asked.send(WHOLE % 1)
    in_body.send((WHOLE % 2)[:-1])
    for _ in range(2):
        await served.begun.acquire()
    task = await closing(served)
    in_body.send(b"y")
    in_head.send((WHOLE % 3)[9:])
    await served.begun.acquire()
    served.may_answer.set()
    for client in (asked, in_body, in_head):
        assert b"\r\nConnection: close\r\n" in await client.answer()
        assert await client.rest() == b""
    assert await task
    assert sorted(served.handled) == ["/1", "/2", "/3"]


async def test_a_half_read_head_on_a_kept_connection_is_no_rest(served: Served) -> None:
    served.may_answer.set()
    client = await served.connect()
    client.send(WHOLE % 1)
    await client.answer()
    client.send((WHOLE % 2)[:9])
    (protocol,) = served.runner.server.live  # type: ignore[union-attr]
    async with asyncio.timeout(HANG_S):
        while not protocol._head_bytes:
            await asyncio.sleep(0)
    task = await closing(served)
    client.send((WHOLE % 2)[9:])
    assert b"\r\nConnection: close\r\n" in await client.answer()
    assert await task


async def test_pipelined_requests_are_all_answered_the_last_one_closes(served: Served) -> None:
    client = await served.connect()
    client.send(b"".join(WHOLE % number for number in range(5)))
    await served.begun.acquire()
    task = await closing(served)
    served.may_answer.set()
    raw = await client.rest()
    assert raw.count(b"HTTP/1.1 200 OK") == 5
    assert raw.count(b"Connection: close") == 1
    assert await task


async def test_a_connection_at_rest_is_closed_at_once(served: Served) -> None:
    served.may_answer.set()
    client = await served.connect()
    client.send(WHOLE % 1)
    assert b"Connection: close" not in await client.answer()
    task = await closing(served)
    assert await client.rest() == b""
    assert await task


async def test_who_has_just_come_may_still_ask(served: Served) -> None:
    served.may_answer.set()
    clients = [await served.connect() for _ in range(20)]  # let in by the kernel, perhaps not by us
    task = await closing(served)
    for client in clients:
        client.send(WHOLE % 1)
    for client in clients:
        assert b"Connection: close" in await client.answer()
    assert await task


async def test_a_body_that_does_not_end_is_waited_for_no_longer_than_asked(served: Served) -> None:
    client = await served.connect()
    client.send((WHOLE % 1)[:-1])
    await served.begun.acquire()
    assert not await served.close(timeout_s=0.01)
    await served.runner.cleanup()
    await client.rest()


async def test_nothing_that_was_taken_goes_without_its_answer(served: Served) -> None:
    """Clients that keep their connections and go on asking see an answer or nothing done."""
    served.may_answer.set()
    answered: list[str] = []

    async def ask_on(number: int) -> None:
        client = await served.connect()
        for turn in range(10_000):
            try:
                client.send(WHOLE % (number * 10_000 + turn))
                await client.answer()
            except (ConnectionError, asyncio.IncompleteReadError):
                break
            answered.append(f"/{number * 10_000 + turn}")

    tasks = [asyncio.create_task(ask_on(number)) for number in range(20)]
    async with asyncio.timeout(HANG_S):
        while len(served.handled) < 200:
            await asyncio.sleep(0)
    assert await served.close()
    await asyncio.gather(*tasks)
    assert sorted(answered) == sorted(served.handled)


async def test_webhooks_are_taken_while_the_daemon_drains(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    daemon = await start_daemon(simple_config(sink))
    daemon.app._receiver.draining = True
    async with daemon.http.get(f"{daemon.url}/healthz") as response:
        assert (response.status, await response.json()) == (503, {"status": "stopping"})
    await daemon.accepted(b"{}")
    daemon.app._receiver.stopping = True
    body = b"{}"
    async with daemon.http.post(
        f"{daemon.url}/hooks/my-slug",
        data=io.BytesIO(body),
        headers={"X-Dispatch-Signature": signature(body)},
    ) as response:
        assert response.status == 503
        assert response.headers["Retry-After"] == "5"
