"""Who looks at the admin listener: a scraper, and a dashboard that is open."""

import asyncio
import time
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Self

from machine import RefusedError

EVERY_S = 1.0
OK = 200
METRICS = "/metrics"
# What the overview of a dashboard wants to know, asked each second as if nothing were kept; the
# page itself, where there is one.
DASHBOARD = (
    "/",
    "/readyz",
    "/api/v1/stats?since=1h",
    "/api/v1/stats/history?step=minute&since=1h",
    "/api/v1/destinations",
    "/api/v1/events?limit=50",
)
STREAM = "/api/v1/stream"
TIMEOUT_S = 10.0


class Onlooker:
    """Asks everything once a second while it is entered, and listens to the stream all the time.

    It shares the core with the load: what it costs there is the generator's. `answers` and
    `longest_ms` are over all times that it was entered.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._asked = (METRICS, *DASHBOARD)
        self._streams = True
        self._tasks: list[asyncio.Task[None]] = []
        self.answers = 0
        self.streamed_bytes = 0
        self.longest_ms = 0.0

    async def find(self) -> list[str]:
        """Ask everything once; what is not there is asked no more. Returns what is."""
        await self._listening()
        statuses = [await self._ask(path) for path in self._asked]
        self._asked = tuple(p for p, s in zip(self._asked, statuses, strict=True) if s == OK)
        if METRICS not in self._asked:
            raise RefusedError("there are no metrics at the admin listener")
        reader, writer = await self._request(STREAM)
        try:
            self._streams = _status(await reader.readuntil(b"\r\n\r\n")) == OK
        finally:
            writer.close()
        return [*self._asked, *([STREAM] if self._streams else [])]

    async def _listening(self) -> None:
        """The public listener is there first."""
        until = time.monotonic() + TIMEOUT_S
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except ConnectionRefusedError:
                if time.monotonic() > until:
                    raise RefusedError("the admin listener did not come") from None
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(one) for one in self._work()]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        for ended in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise RefusedError(f"the onlooker was not answered: {ended!r}") from ended

    def _work(self) -> Iterator[Coroutine[None, None, None]]:
        yield self._poll()
        if self._streams:
            yield self._stream()

    async def _poll(self) -> None:
        due = time.monotonic()
        while True:
            for path in self._asked:
                began = time.monotonic()
                if (status := await self._ask(path)) != OK:
                    raise RefusedError(f"{path} was answered {status}")
                self.answers += 1
                self.longest_ms = max(self.longest_ms, (time.monotonic() - began) * 1000)
            due += EVERY_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _stream(self) -> None:
        reader, writer = await self._request(STREAM)
        try:
            while data := await reader.read(65536):
                self.streamed_bytes += len(data)
        finally:
            writer.close()
        raise RefusedError("the stream ended")

    async def _ask(self, path: str) -> int:
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await self._request(path)
            try:
                return _status(await reader.read(-1))
            finally:
                writer.close()
                with suppress(ConnectionError):
                    await writer.wait_closed()

    async def _request(self, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode())
        return reader, writer


def _status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0
