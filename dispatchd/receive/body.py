"""Reading a request's body within bounds: per request, and for all requests together."""

from typing import Final, Self

from aiohttp import web

BODIES_MAX_BYTES: Final = 128 * 1024 * 1024  # of all bodies being read or waiting for the disk


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


async def read_body(request: web.BaseRequest, max_bytes: int, reserved: "Reservation") -> bytes:
    """Read the whole body, its declared or streamed size at most `max_bytes`.

    Raises TooLarge or NoRoom; what was reserved is held by `reserved`.
    """
    declared = request.content_length
    if declared is not None:
        if declared > max_bytes:
            raise TooLarge
        reserved.add(declared)
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # it was no part of the response
    if declared is not None:
        content = request.content
        if content.is_eof() and content.total_bytes == declared:
            return content.read_nowait()  # all here already, as a small body is
        return await content.read()
    chunks = []
    size_bytes = 0
    while chunk := await request.content.readany():
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
