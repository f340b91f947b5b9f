"""The destination: answers every POST with a prebuilt 200 and notes who arrived when."""

import asyncio
import time
from typing import cast

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


class Listener:
    """Listens on loopback; what it does with a connection is `peer`'s."""

    def __init__(self) -> None:
        self.port = 0
        self._server: asyncio.Server | None = None

    def peer(self) -> asyncio.Protocol:
        raise NotImplementedError

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self.peer, "127.0.0.1", 0, backlog=4096)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        if self._server is not None:
            self._server.close()


class Peer(asyncio.Protocol):
    """One connection: `asked` gets the head of each whole request, in lower case."""

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def asked(self, head: bytes) -> None:
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data
        while True:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                break
            head = buffer[:end].lower() + b"\r\n"
            length = header(head, b"content-length")
            if length is None:  # chunked: neither daemon nor relay should send that
                if self._transport is not None:
                    self._transport.abort()
                return
            size = end + 4 + int(length)
            if len(buffer) < size:
                break
            buffer = buffer[size:]
            self.asked(head)
        self._buffer = buffer


class Sink(Listener):
    """`arrived` maps an event id to its first arrival (CLOCK_MONOTONIC, s)."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived: dict[str, float] = {}
        self.requests = 0
        self.last = 0.0

    def peer(self) -> asyncio.Protocol:
        return _Noting(self)

    def reset(self) -> None:
        self.arrived, self.requests, self.last = {}, 0, 0.0

    def note(self, key: str | None) -> None:
        now = time.monotonic()
        self.requests += 1
        self.last = now
        if key is not None:
            self.arrived.setdefault(key, now)


class _Noting(Peer):
    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink

    def asked(self, head: bytes) -> None:
        event_id = header(head, b"x-dispatch-event-id")
        self._sink.note(None if event_id is None else event_id.decode())
        self.write(OK)


def header(head: bytes, name: bytes) -> bytes | None:
    """A header's value in a lower-cased head whose every line ends in CRLF."""
    start = head.find(b"\r\n" + name + b":")
    if start < 0:
        return None
    start += len(name) + 3
    return head[start : head.index(b"\r\n", start)].strip()
