"""A sink that fails: a share of its answers are 500s, some come late, and a ledger is kept."""

import asyncio
import random
from typing import cast

from ledger import OK, Ledger
from sink import header

ANSWERS = {
    200: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    500: b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\nno",
}
LATE = 0.05  # of the answers
LATE_S = 0.3  # at most


class Unsteady:
    """Listens on loopback; the path is the number of the lane."""

    def __init__(self, ledger: Ledger, failing: float) -> None:
        self.ledger = ledger
        self.failing = failing
        self.roll = random.Random(1)
        self.late = 0
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Peer(self), "127.0.0.1", 0, backlog=4096)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        if self._server is not None:
            self._server.close()


class _Peer(asyncio.Protocol):
    """One connection; its client sends the next request when the last was answered."""

    def __init__(self, sink: Unsteady) -> None:
        self._sink = sink
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        lines = self._buffer[:end].lower() + b"\r\n"
        if len(self._buffer) < end + 4 + int(header(lines, b"content-length") or 0):
            return
        self._buffer = b""
        event = bytes.fromhex(
            (header(lines, b"x-dispatch-event-id") or b"").decode().replace("-", "")
        )
        lane = int(lines.split(b" ", 2)[1][1:])
        sink = self._sink
        sink.ledger.begin(event, lane, int(header(lines, b"x-dispatch-attempt") or 0))
        status = 500 if sink.roll.random() < sink.failing else OK
        if sink.roll.random() < LATE:
            sink.late += 1
            after = sink.roll.random() * LATE_S
            asyncio.get_running_loop().call_later(after, self._answer, event, lane, status)
        else:
            self._answer(event, lane, status)

    def _answer(self, event: bytes, lane: int, status: int) -> None:
        self._sink.ledger.end(event, lane, status)
        if self._transport is not None:
            self._transport.write(ANSWERS[status])
