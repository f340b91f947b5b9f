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
# What an open overview asks: itself, whenever the stream of numbers says that something has
# changed, a second after the last answer or ten times what that took, as its script does.
PAGE = "/"
CHANGES = "/live?seen=0"
AGAIN_HEADER = "X-Dispatchd-Live: 1"
REST_S = 1.0
REST_TIMES = 10
TIMEOUT_S = 10.0


class Onlooker:
    """Scrapes once a second and keeps an overview open, while it is entered.

    It shares the core with the load: what it costs there is the generator's. `answers` and
    `longest_ms` are over all times that it was entered.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.answers = 0
        self.pages = 0
        self.longest_ms = 0.0

    async def find(self) -> list[str]:
        """Ask everything once; what is there. Raises RefusedError where something is not."""
        await self._listening()
        for path in (METRICS, PAGE):
            await self._timed(path)
        reader, writer = await self._request(CHANGES)
        try:
            if _status(await reader.readuntil(b"\r\n\r\n")) != OK:
                raise RefusedError("the dashboard does not tell of changes")
        finally:
            writer.close()
        return [METRICS, PAGE, CHANGES]

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
        yield self._scrape()
        yield self._page()
        yield self._listen()

    async def _scrape(self) -> None:
        due = time.monotonic()
        while True:
            await self._timed(METRICS)
            due += EVERY_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _page(self) -> None:
        while True:
            took_s = await self._timed(PAGE)
            self.pages += 1
            await asyncio.sleep(max(REST_S, REST_TIMES * took_s))
            await self._changed.wait()
            self._changed.clear()

    async def _listen(self) -> None:
        reader, writer = await self._request(CHANGES)
        try:
            while await reader.read(65536):
                self._changed.set()
        finally:
            writer.close()
        raise RefusedError("the stream of changes ended")

    async def _timed(self, path: str) -> float:
        """Return how long (s) an answer took."""
        began_s = time.monotonic()
        if (status := await self._ask(path)) != OK:
            raise RefusedError(f"{path} was answered {status}")
        took_s = time.monotonic() - began_s
        self.answers += 1
        self.longest_ms = max(self.longest_ms, took_s * 1000)
        return took_s

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
        lines = (
            f"GET {path} HTTP/1.1",
            f"Host: 127.0.0.1:{self._port}",
            "Connection: close",
            AGAIN_HEADER,
        )
        writer.write("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
        return reader, writer


def _status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0
