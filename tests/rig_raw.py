"""Servers that write what a test says, byte for byte, and what HttpSender makes of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from ssl import SSLContext
from typing import Protocol

from dispatchd.model import Failure, Outcome, Reply, Request

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Start(Protocol):
    """Start a server and return its URL; `unix` is a socket's path, in place of a port."""

    async def __call__(
        self, handler: Serve, *, path: str = "/in", unix: str | None = None
    ) -> str: ...


@contextlib.asynccontextmanager
async def raw_servers(*, ssl: SSLContext | None = None) -> AsyncIterator[Start]:
    """Close every connection whose handler has ended, and at the end all others too."""
    servers: list[asyncio.Server] = []
    handling: set[asyncio.Task[None]] = set()

    async def start(handler: Serve, *, path: str = "/in", unix: str | None = None) -> str:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            handling.add(task)
            try:
                with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                    await handler(reader, writer)
            finally:
                writer.close()
                handling.discard(task)

        if unix is not None:
            servers.append(await asyncio.start_unix_server(handle, unix))
            return f"http://localhost{path}"
        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=ssl)
        servers.append(server)
        scheme = "http" if ssl is None else "https"
        return f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}{path}"

    try:
        yield start
    finally:
        for server in servers:
            server.close()
        for task in handling:
            task.cancel()
        await asyncio.gather(*handling, return_exceptions=True)
        for server in servers:
            await server.wait_closed()


async def one_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return head, await reader.readexactly(length)


class Connections:
    """What a server saw: each request's head and body, and by which connection it came."""

    def __init__(self) -> None:
        self.opened = 0
        self.requests: list[tuple[int, bytes, bytes]] = []


def answering(seen: Connections, *answers: bytes) -> Serve:
    """Answer each request of a connection with the next of `answers`; the last one repeats."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.opened += 1
        number = seen.opened
        for index in range(1000):
            seen.requests.append((number, *await one_request(reader)))
            writer.write(answers[min(index, len(answers) - 1)])
            await writer.drain()

    return serve


def post(url: str, body: bytes = b"{}", timeout_s: float = 10.0, **headers: str) -> Request:
    return Request("POST", url, headers, body, timeout_s)


def ok(outcome: Outcome) -> Reply:
    assert isinstance(outcome, Reply), outcome
    return outcome


def failed(outcome: Outcome) -> Failure:
    assert isinstance(outcome, Failure), outcome
    return outcome
