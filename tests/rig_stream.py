"""A client of the stream, as plain as can be, and what it was told."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from patience import HANG_S
from rig_api import Api

from dispatchd.remote.blocks import Block, BlockReader


@dataclass
class Followed:
    """One connection to the stream. `last_id` is what a browser would send when it comes back."""

    response: aiohttp.ClientResponse
    blocks: list[Block] = field(default_factory=list)
    raw: bytes = b""
    last_id: str | None = None
    _reader: BlockReader = field(default_factory=BlockReader)

    def told(self, kind: str = "event") -> list[dict[str, Any]]:
        return [json.loads(b.data) for b in self.blocks if b.name == kind and b.data is not None]

    def ids(self) -> list[str]:
        return [fields["event_id"] for fields in self.told()]

    async def read(self) -> bool:
        """Read what comes next; whether there was anything."""
        chunk = await self.response.content.readany()
        self.raw += chunk
        for block in self._reader.feed(chunk):
            self.blocks.append(block)
            self.last_id = block.last_id or self.last_id
        return bool(chunk)

    async def until(self, count: int, kind: str = "event") -> list[dict[str, Any]]:
        """Read until so many of a kind have come; a test that waits in vain fails by timeout."""
        async with asyncio.timeout(HANG_S):
            while len(self.told(kind)) < count:
                assert await self.read(), "the stream has ended"
        return self.told(kind)

    async def until_passed(self, event_id: str) -> None:
        """Read until it is behind an event."""
        async with asyncio.timeout(HANG_S):
            while self.last_id != event_id:
                assert await self.read(), "the stream has ended"

    async def to_the_end(self) -> None:
        async with asyncio.timeout(HANG_S):
            while await self.read():
                pass


@asynccontextmanager
async def followed(
    api: Api,
    last_id: str | None = None,
    *,
    session: aiohttp.ClientSession | None = None,
    headers: dict[str, str] | None = None,
    **query: str,
) -> AsyncIterator[Followed]:
    """Follow the stream; what greets a client has been read."""
    sent = {"Authorization": f"Bearer {api.token}"} if headers is None else dict(headers)
    if last_id is not None:
        sent["Last-Event-ID"] = last_id
    async with (session or api.daemon.http).get(
        f"{api.daemon.admin_url}/api/v1/stream",
        params=query,
        headers=sent,
        timeout=aiohttp.ClientTimeout(total=None),
    ) as response:
        assert response.status == 200, await response.text()
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        one = Followed(response)
        while one.last_id is None:
            assert await one.read()
        yield one
