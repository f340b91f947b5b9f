"""Following a daemon's stream over outages: nothing missed in between, nothing told twice."""

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

from dispatchd.frozen import frozen
from dispatchd.remote.blocks import BlockReader
from dispatchd.remote.daemon import CONNECT_S, DaemonAt, Refused, Unreachable
from dispatchd.spelling import iso

if TYPE_CHECKING:
    from aiohttp import ClientSession

SILENCE_S: Final = 45.0  # three heartbeats
FIRST_WAIT_S: Final = 0.5
LAST_WAIT_S: Final = 15.0

Say = Callable[[str], None]
Pause = Callable[[float], Awaitable[None]]


@frozen
class Told:
    """What came: its `kind` (event, attempt, missed), and its fields."""

    kind: str
    fields: dict[str, Any]


class Following:
    """Follows the stream from a place on, or from now on.

    `last_id` is the place: behind the event that was handed over last. `ready` is called once it
    follows for the first time; `say` is told of outages and of their ends, once each.
    """

    def __init__(
        self,
        daemon: DaemonAt,
        query: Mapping[str, str],
        *,
        last_id: str | None,
        now_ms: int,
        say: Say,
        ready: Callable[[], None] = lambda: None,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self.last_id = last_id
        self._daemon = daemon
        self._query = dict(query)
        self._began_ms = now_ms
        self._say = say
        self._ready: Callable[[], None] | None = ready
        self._pause = pause
        self._failed = 0  # in a row
        self._trouble = ""

    async def told(self, session: "ClientSession") -> AsyncGenerator[Told]:
        """Yield what is told, for ever. Raises Refused where another try would be no better."""
        while True:
            try:
                async with aclosing(self._once(session)) as connection:
                    async for one in connection:
                        yield one
                trouble = Unreachable(f"{self._daemon} ended the stream")
            except Unreachable as error:
                trouble = error
            await self._wait(trouble)

    async def _once(self, session: "ClientSession") -> AsyncGenerator[Told]:
        """Yield what one connection brings, until it ends. Raises Unreachable or Refused."""
        import aiohttp  # noqa: PLC0415 - not for --help

        daemon, reader = self._daemon, BlockReader()
        timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_S, sock_read=SILENCE_S)
        headers = {"Accept": "text/event-stream"}
        query = dict(self._query)
        if self.last_id is not None:
            headers["Last-Event-ID"] = self.last_id
        elif self._trouble:  # it may have had events while we could not ask
            query.setdefault("since", iso(self._began_ms))
        try:
            async with session.get(
                daemon.path("stream"),
                params=query,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                await daemon.check(response)
                if response.content_type != "text/event-stream":
                    raise Refused(200, f"{daemon} is no admin listener of dispatchd")
                async for chunk in response.content.iter_any():
                    for block in reader.feed(chunk):
                        self.last_id = block.last_id or self.last_id
                        self._connected()
                        if block.data is not None:
                            yield Told(block.name, _fields(block.data))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise daemon.unreachable(error) from error

    def _connected(self) -> None:
        if self._trouble:
            self._say(f"{self._daemon} is back")
        self._failed, self._trouble = 0, ""
        if self._ready is not None:
            self._ready()
            self._ready = None

    async def _wait(self, error: Unreachable) -> None:
        if str(error) != self._trouble:
            self._trouble = str(error)
            self._say(f"{error}; trying again")
        wait_s = min(LAST_WAIT_S, FIRST_WAIT_S * 2**self._failed)
        self._failed = min(self._failed + 1, 10)
        spread = 0.8 + 0.4 * random.random()  # noqa: S311 - so that not all come back at once
        await self._pause(max(wait_s * spread, min(error.retry_after_s, 60.0)))


def _fields(data: bytes) -> dict[str, Any]:
    """Read what an event holds. Raises ValueError where it is none of ours."""
    fields = json.loads(data)
    if isinstance(fields, dict):
        return fields
    raise ValueError("an event that is no object")
