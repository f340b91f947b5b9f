"""Answers of any size: written as they are read, and who does not read is cut off."""

import asyncio
from collections.abc import Callable
from typing import Final

from aiohttp import web

from dispatchd.frozen import frozen
from dispatchd.log import Log

SLICE_BYTES: Final = 64 * 1024  # what is beyond the connection's own buffer is in memory twice
STEP_BYTES: Final = 1024 * 1024
STALLED_S: Final = 30.0  # who takes longer for a step is cut off


def _nothing() -> None: ...


@frozen
class Spelled:
    """An answer as it goes out; `written` is called when it is, or never will be."""

    body: bytes
    written: Callable[[], None] = _nothing

    async def answer(
        self, request: web.Request, response: web.StreamResponse, log: Log
    ) -> web.StreamResponse:
        """Write it whole, or until its reader is cut off; return `response`."""
        response.content_length = len(self.body)
        try:
            await response.prepare(request)
            if request.method != "HEAD":
                await self._write(response)
            await response.write_eof()
        except TimeoutError:
            log.warning("reader_cut_off", path=request.path, source_ip=request.remote)
            if request.transport is not None:
                request.transport.abort()  # what waits in its buffer would keep it open
        except ConnectionError:
            pass  # it has gone while something was written
        finally:
            self.written()
        return response

    async def _write(self, response: web.StreamResponse) -> None:
        for step in range(0, len(self.body), STEP_BYTES):
            async with asyncio.timeout(STALLED_S):
                for start in range(step, min(step + STEP_BYTES, len(self.body)), SLICE_BYTES):
                    await response.write(self.body[start : start + SLICE_BYTES])
