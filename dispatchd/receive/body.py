"""Reading a request's body within bounds."""

import asyncio
from typing import Final

from aiohttp import HttpVersion11, web

from dispatchd.receive.room import NoRoom, Pace, Rates, Share

RATES: Final = Rates()


class TooLarge(Exception):  # noqa: N818 - a verdict on the request
    """The body is over the limit."""


def body_at_hand(request: web.BaseRequest, max_bytes: int, share: Share) -> bytes | None:
    """Return the body where it is here already, as a small one is; None where it must be read."""
    declared, content = request.content_length, request.content
    if (
        declared is None
        or declared > max_bytes
        or not content.is_eof()
        or content.total_bytes != declared
    ):
        return None
    try:
        share.whole(declared)
    except NoRoom:  # who reads it finds that out too, and says so
        return None
    return content.read_nowait()


async def read_body(
    request: web.BaseRequest, max_bytes: int, share: Share, rates: Rates = RATES
) -> bytes:
    """Read the whole body, its declared or streamed size at most `max_bytes`.

    Room is taken for what has come, not for what was declared: an announcement costs its sender
    nothing, and must not keep others out. Raises TooLarge, NoRoom or TimeoutError.
    """
    declared = request.content_length
    if declared is not None and declared > max_bytes:
        raise TooLarge
    if declared == 0:
        return b""
    content = request.content
    if (
        request.headers.get("Expect", "").lower() == "100-continue"
        and request.version >= HttpVersion11
    ):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # it was no part of the response
    chunks = []
    size_bytes = 0
    now_s = asyncio.get_running_loop().time
    pace = Pace(rates, max_bytes if declared is None else declared, now_s())
    async with asyncio.timeout_at(pace.deadline_s) as limit:
        while chunk := await content.readany():
            size_bytes += len(chunk)
            if size_bytes > max_bytes:
                raise TooLarge
            share.add(len(chunk))
            chunks.append(chunk)
            pace.came(len(chunk), now_s())
            limit.reschedule(pace.deadline_s)
    return b"".join(chunks)
