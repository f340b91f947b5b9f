"""Reading a request's body within bounds: per request, and for all requests together."""

import asyncio
from typing import Final, Self

from aiohttp import web

BODIES_MAX_BYTES: Final = 128 * 1024 * 1024  # of all bodies being read or waiting for the disk

# From the head to the last byte of the body: a start, and what the slowest line still brings.
BODY_TIMEOUT_S: Final = 30.0
SLOWEST_BYTES_PER_S: Final = 64 * 1024


class TooLarge(Exception):  # noqa: N818 - a verdict on the request
    """The body is over the limit."""


class NoRoom(Exception):  # noqa: N818 - likewise
    """Too many bodies are in memory already."""


class BodyBudget:
    """How many bytes of request bodies are in memory, and how many may be."""

    def __init__(self, max_bytes: int = BODIES_MAX_BYTES) -> None:
        self._free_bytes = max_bytes

    def take(self, size_bytes: int) -> None:
        """Reserve room. Raises NoRoom."""
        if size_bytes > self._free_bytes:
            raise NoRoom
        self._free_bytes -= size_bytes

    def give_back(self, size_bytes: int) -> None:
        """Release room taken before."""
        self._free_bytes += size_bytes


async def read_body(
    request: web.BaseRequest,
    max_bytes: int,
    reserved: "Reservation",
    timeout_s: float = BODY_TIMEOUT_S,
) -> bytes:
    """Read the whole body, its declared or streamed size at most `max_bytes`.

    Room is reserved for what has come, not for what was declared: an announcement costs its
    sender nothing, and must not keep others out. `timeout_s` is for a body of no size; a larger
    one has longer. Raises TooLarge, NoRoom or TimeoutError.
    """
    declared = request.content_length
    if declared is not None and declared > max_bytes:
        raise TooLarge
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # it was no part of the response
    content = request.content
    if declared is not None and content.is_eof() and content.total_bytes == declared:
        reserved.add(declared)
        return content.read_nowait()  # all here already, as a small body is
    expected_bytes = max_bytes if declared is None else declared
    chunks = []
    size_bytes = 0
    async with asyncio.timeout(timeout_s + expected_bytes / SLOWEST_BYTES_PER_S):
        while chunk := await content.readany():
            size_bytes += len(chunk)
            if size_bytes > max_bytes:
                raise TooLarge
            reserved.add(len(chunk))
            chunks.append(chunk)
    return b"".join(chunks)


class Reservation:
    """One request's share of the budget; a context manager that gives it back."""

    __slots__ = ("_budget", "_size_bytes")

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self._size_bytes = 0

    def add(self, size_bytes: int) -> None:
        """Reserve more. Raises NoRoom."""
        self._budget.take(size_bytes)
        self._size_bytes += size_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._budget.give_back(self._size_bytes)
