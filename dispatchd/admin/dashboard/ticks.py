"""Telling open pages that something has changed: a number, at most once a second, and no more.

The page asks again for itself, so nothing is told twice and a page that missed ticks misses
nothing. Who does not read is let go.
"""

import asyncio
from typing import Final

from aiohttp import web

from dispatchd.admin.dashboard.pulse import Pulse
from dispatchd.admin.problems import Problem

LISTENERS_MAX: Final = 64
EVERY_S: Final = 1.0
SILENT_S: Final = 15.0  # then a comment shows the way is open
WRITE_MAX_S: Final = 5.0
SEEN_MAX_DIGITS: Final = 18
LASTS_S: Final = 3600.0  # then the browser comes again, if it still may
_HEADERS: Final = {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}


class Ticks:
    """Serves the ticks."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse
        self._closing = asyncio.Event()
        self.listeners = 0

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Tell one page until it goes, reads no more, or its time is up."""
        if self.listeners >= LISTENERS_MAX or self._closing.is_set():
            raise Problem(
                503,
                "too_many_listeners",
                "too many pages are kept up to date; this one asks now and then",
                headers={"Retry-After": "30"},
            )
        self.listeners += 1
        response = web.StreamResponse(headers=_HEADERS)
        try:
            await response.prepare(request)
            await self._tell(response, _seen(request, self._pulse.version))
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()
        finally:
            self.listeners -= 1
        return response

    async def _tell(self, response: web.StreamResponse, seen: int) -> None:
        await _write(response, b"retry: 3000\n\n")
        silent_s = 0.0
        for _ in range(int(LASTS_S / EVERY_S)):
            if await self._closed_within(EVERY_S):
                return
            silent_s += EVERY_S
            if self._pulse.version != seen:
                seen, silent_s = self._pulse.version, 0.0
                await _write(response, b"data: %d\n\n" % seen)
            elif silent_s >= SILENT_S:
                silent_s = 0.0
                await _write(response, b":\n\n")

    async def _closed_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """End every stream."""
        self._closing.set()


def _seen(request: web.Request, now: int) -> int:
    """Return what the page knows of, as it says; else what has happened by now."""
    text = request.query.get("seen", "")
    return int(text) if text.isdecimal() and len(text) <= SEEN_MAX_DIGITS else now


async def _write(response: web.StreamResponse, text: bytes) -> None:
    async with asyncio.timeout(WRITE_MAX_S):
        await response.write(text)
