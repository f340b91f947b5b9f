"""What a client writes to the listener itself, and reads of it to the end."""

import asyncio

from patience import HANG_S
from rig import Daemon, signature

BODY = b'{"action":"opened"}'


async def connect(daemon: Daemon) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = daemon.url.removeprefix("http://").partition(":")
    return await asyncio.open_connection(host, int(port))


def request(body: bytes = BODY, *, declared: int | None = None, head: str = "") -> bytes:
    length = len(body) if declared is None else declared
    return (
        f"POST /hooks/my-slug HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n"
        f"X-Dispatch-Signature: {signature(body)}\r\n{head}\r\n"
    ).encode() + body


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read until the server closes; return the status and everything."""
    async with asyncio.timeout(HANG_S):
        raw = await reader.read()
    return int(raw.split()[1]), raw
