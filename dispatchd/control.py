"""The socket beside the database by which commands ask the running daemon for something.

One line of JSON each way. Only the daemon's user and root may connect: what it answers is theirs.
The daemon has the database's lock, so a socket that is there before it is a dead one's.
"""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dispatchd.errors import DispatchdError

if TYPE_CHECKING:
    from collections.abc import Iterator

PRIVATE: Final = 0o600
LINE_MAX_BYTES: Final = 1024 * 1024
ASKING_S: Final = 5.0  # from connecting to a whole question
ADDRESS_MAX_BYTES: Final = 100  # unix(7) has 108, with a NUL

Answer = Mapping[str, Any]
Answers = Mapping[str, Callable[[], Awaitable[Answer]]]


class NobodyThere(DispatchdError):  # noqa: N818 - a state, not a mistake
    """No daemon listens on this socket."""


def control_path(storage_url: str) -> str:
    """Return where the daemon of this database listens: one database, one socket."""
    return os.path.realpath(storage_url.partition(":///")[2]) + ".control"


@asynccontextmanager
async def answering(path: str, answers: Answers) -> AsyncIterator[None]:
    """Answer on `path` who asks for one of `answers`. Raises OSError where that cannot be."""
    _remove(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(listener.fileno(), PRIVATE)  # before: the file never is anything else
        with _address(path) as address:
            listener.bind(address)
        server = await asyncio.start_unix_server(
            lambda reader, writer: _answer(reader, writer, answers),
            sock=listener,
            limit=LINE_MAX_BYTES,
        )
    except BaseException:
        listener.close()
        raise
    try:
        yield
    finally:
        server.close()
        _remove(path)


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        Path(path).unlink()


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: Answers
) -> None:
    try:
        async with asyncio.timeout(ASKING_S):
            asked = json.loads(await reader.readline())
        answer = answers.get(asked["ask"]) if isinstance(asked, dict) and "ask" in asked else None
        told = {"error": "this daemon does not know that question"}
        writer.write(json.dumps(told if answer is None else await answer()).encode() + b"\n")
        await writer.drain()
    except (OSError, ValueError, TypeError, TimeoutError):
        pass  # who asks in no known way, or went away, gets no answer
    finally:
        writer.close()


def ask(path: str, question: str) -> dict[str, Any]:
    """Ask the daemon that listens on `path`, and wait for its answer. Raises NobodyThere."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            with _address(path) as address:
                connection.connect(address)
        except PermissionError as error:
            raise DispatchdError(f"cannot ask over {path}: {error.strerror}") from error
        except OSError as error:
            raise NobodyThere(f"no dispatchd listens on {path}") from error
        with connection.makefile("rwb") as stream:
            try:
                stream.write(json.dumps({"ask": question}).encode() + b"\n")
                stream.flush()
                line = stream.readline()
            except OSError:
                line = b""
    if not line.endswith(b"\n"):
        raise DispatchdError("dispatchd ended before it answered")
    answer: dict[str, Any] = json.loads(line)
    return answer


@contextmanager
def _address(path: str) -> "Iterator[str]":
    """Yield how to address `path`; one that is too long for the kernel goes by its directory."""
    if len(os.fsencode(path)) <= ADDRESS_MAX_BYTES:
        yield path
        return
    directory, name = os.path.split(path)
    descriptor = os.open(directory or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)
