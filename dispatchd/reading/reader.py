"""Reads bodies: small ones at once, large ones in a process of its own, one at a time.

Whoever is not proven yet has a process apart: no flood of theirs delays what a sender has signed.
In each, owners take turns: strangers' clients in one, endpoints in the other.
"""

import asyncio
from contextlib import AsyncExitStack
from typing import Any, Final

import orjson

from dispatchd.children import end_child, start_child
from dispatchd.frozen import frozen
from dispatchd.reading.content import JSON, Bodies, Content, read_content
from dispatchd.reading.json_text import NotJson, parse_json
from dispatchd.reading.prune import Paths
from dispatchd.reading.turns import Turns
from dispatchd.reading.worker import READ, REPLY, REQUEST
from dispatchd.strangers import utf8
from dispatchd.verify import is_form

# Up to this, the worst body keeps the loop for some 5 ms; JSON may be larger if it is not dense.
INLINE_MAX_BYTES: Final = 64 * 1024
INLINE_JSON_MAX_BYTES: Final = 1024 * 1024
INLINE_JSON_MAX_PARTS: Final = 32 * 1024  # of commas, colons and brackets: some 200 ns each

TURN_S: Final = 5.0  # a sender waits so long for a turn
READ_S: Final = 10.0  # and so long for the reading: 10 MB that are all brackets take 2 s
START_S: Final = 10.0
IDLE_S: Final = 30.0  # then the process ends, and what it grew to is free again


class CannotRead(Exception):  # noqa: N818 - a fact, not a mistake
    """No process to read a large body in, or no turn in time: a fault of ours."""


@frozen
class Asked:
    """What an endpoint wants to know of a body.

    `paths` are all that its document is ever asked by, `exact` the one whose number is wanted
    digit by digit, `json` says that the whole document is wanted as JSON.
    """

    bodies: Bodies = "json"
    paths: Paths = ()
    exact: tuple[str, ...] = ()
    json: bool = False


def is_soon_read(body: bytes, content_type: str, bodies: Bodies) -> bool:
    """Whether reading a body here keeps the loop for no more than some milliseconds."""
    size_bytes = len(body)
    if size_bytes <= INLINE_MAX_BYTES:
        return True
    if size_bytes > INLINE_JSON_MAX_BYTES or (bodies != "json" and is_form(content_type)):
        return False
    left = INLINE_JSON_MAX_PARTS
    for byte in (b",", b":", b"[", b"{"):
        left -= body.count(byte)
        if left < 0:
            return False
    return True


class Reader:
    """Reads bodies for the receiver. No process is started before one is needed."""

    def __init__(self) -> None:
        self._proven = _Process()
        self._unproven = _Process()

    async def read(
        self, body: bytes, content_type: str, asked: Asked, *, proven: bool, owner: str = ""
    ) -> Content:
        """Read a large body elsewhere. Raises NotJson or CannotRead.

        `owner` is whose it is, for turns: of whoever is proven the endpoint, else the client.
        For any body; one that `is_soon_read` is cheaper to read in place, with `read_here`.
        """
        process = self._proven if proven else self._unproven
        return await process.read(body, content_type, asked, owner)

    async def close(self) -> None:
        """End the processes."""
        await self._proven.close()
        await self._unproven.close()


def read_here(body: bytes, content_type: str, asked: Asked) -> Content:
    """Read a body at once. Raises NotJson."""
    return read_content(body, content_type, asked.bodies, asked.exact, json=asked.json)


class _Process:
    """One process, started on demand, ended when idle; its readings take turns."""

    def __init__(self) -> None:
        self._turns = Turns()
        self._child: asyncio.subprocess.Process | None = None
        self._idle: asyncio.TimerHandle | None = None

    async def read(self, body: bytes, content_type: str, asked: Asked, owner: str) -> Content:
        async with AsyncExitStack() as held:
            try:
                await held.enter_async_context(self._turns.turn(owner, TURN_S))
            except TimeoutError:
                raise CannotRead("too many large bodies wait to be read") from None
            return await self._in_turn(body, content_type, asked)

    async def _in_turn(self, body: bytes, content_type: str, asked: Asked) -> Content:
        question = orjson.dumps(
            {
                "bodies": asked.bodies,
                "content_type": utf8(content_type),
                "paths": asked.paths,
                "exact": asked.exact,
                "json": asked.json,
            }
        )
        if self._idle is not None:
            self._idle.cancel()
        try:
            child = await self._started()
            async with asyncio.timeout(READ_S):
                status, document, spelled = await _exchange(child, question, body)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            await self.close()
            raise CannotRead(f"the body could not be read: {type(error).__name__}") from None
        except BaseException:  # cancelled in the middle of a frame: the pipe is out of step
            await self.close()
            raise
        self._idle = asyncio.get_running_loop().call_later(IDLE_S, self._end)
        if status != READ:
            raise NotJson(document.decode("utf-8", "replace"))
        told = parse_json(document)
        whole = body if told["is_body"] else spelled or None
        return Content(told["document"], told["content_type"], whole, told["exact"])

    async def _started(self) -> asyncio.subprocess.Process:
        if self._child is not None and self._child.returncode is None:
            return self._child
        async with asyncio.timeout(START_S):
            child = self._child = await start_child("dispatchd.reading.worker")
            await _exchange(child, _TRIVIAL, b"1")  # a slow start counts against no reading
            return child

    def _end(self) -> None:
        """Let the idle process go: it ends when its stdin does."""
        if self._child is not None and self._child.stdin is not None and not self._turns.taken:
            self._child.stdin.close()
            self._child = None

    async def close(self) -> None:
        """End the process."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        child, self._child = self._child, None
        if child is not None:
            await end_child(child)


_TRIVIAL: Final[bytes] = orjson.dumps(
    {"bodies": "json", "content_type": JSON, "paths": [], "exact": [], "json": False}
)


async def _exchange(
    child: asyncio.subprocess.Process, question: bytes, body: bytes
) -> tuple[int, bytes, bytes]:
    if child.stdin is None or child.stdout is None:
        raise OSError("the reader has no pipes")
    child.stdin.write(REQUEST.pack(len(question), len(body)) + question)
    child.stdin.write(body)
    await child.stdin.drain()
    status, document_bytes, json_bytes = REPLY.unpack(await child.stdout.readexactly(REPLY.size))
    document: Any = await child.stdout.readexactly(document_bytes)
    return status, document, await child.stdout.readexactly(json_bytes)
