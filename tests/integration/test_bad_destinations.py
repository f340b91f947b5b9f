"""Destinations that misbehave, each in its own way; every fault has its fixed class."""

import asyncio
import contextlib
import socket

import pytest
from patience import HANG_S
from rig import StartDaemon
from rig_raw import Serve, Start, one_request
from rig_served import free_port

BODY = b'{"action":"opened"}'


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await one_request(reader)
    await reader.read()  # until the other side gives up


async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await one_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    gone = asyncio.create_task(reader.read())
    while not gone.done():
        writer.write(b"x")
        await asyncio.wait([gone], timeout=0.05)


async def slow_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await one_request(reader)
    gone = asyncio.create_task(reader.read())
    writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not gone.done():
        writer.write(b"x")
        await asyncio.wait([gone], timeout=0.05)


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await one_request(reader)
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await one_request(reader)


async def mid_response(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await one_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\npart of it")
    await writer.drain()


async def mid_chunk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await one_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")
    await writer.drain()


async def no_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await one_request(reader)
    writer.write(b"220 mail.example.com ESMTP\r\n\r\n")
    await writer.drain()


async def endless_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await one_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1_000_000 + b"\r\n\r\n")
    with contextlib.suppress(ConnectionError):
        await writer.drain()


def config(url: str) -> str:
    return f"""
    endpoints: {{my-slug: {{auth: none, destinations: [crm]}}}}
    destinations: {{crm: {{url: '{url}', timeout: 400ms}}}}
    """


@pytest.mark.parametrize(
    ("behaviour", "error", "status_code"),
    [
        (silent, "timeout", None),
        (trickle, "timeout", 200),
        (slow_head, "timeout", None),
        (reset, "connection_reset", None),
        (hang_up, "connection_reset", None),
        (mid_response, "connection_reset", 200),
        (mid_chunk, "connection_reset", 200),
        (no_http, "protocol_error", None),
        (endless_head, "protocol_error", None),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
async def test_each_fault_has_its_class(
    start_daemon: StartDaemon,
    start: Start,
    behaviour: Serve,
    error: str,
    status_code: int | None,
) -> None:
    daemon = await start_daemon(config(await start(behaviour)))
    event_id = await daemon.accepted(BODY, secret=None)
    (line,) = await daemon.log.wait_for("attempt", number=1)
    assert (line["result"], line["error"]) == ("retrying", error)
    attempt = (await daemon.story(event_id)).attempts[0]
    assert (attempt.error, attempt.status_code) == (error, status_code)
    assert attempt.message


async def test_refused_and_unresolvable(start_daemon: StartDaemon) -> None:
    daemon = await start_daemon(f"""
    endpoints: {{my-slug: {{auth: none, destinations: [refused, lost]}}}}
    destinations:
      refused: {{url: 'http://127.0.0.1:{free_port()}/'}}
      lost: {{url: 'http://nowhere.invalid/'}}
    """)
    await daemon.accepted(BODY, secret=None)
    assert await daemon.log.wait_for("attempt", error="connection_refused")
    assert await daemon.log.wait_for("attempt", error="dns_error")


async def test_tls_where_there_is_none(start_daemon: StartDaemon, start: Start) -> None:
    async def not_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    url = (await start(not_tls)).replace("http:", "https:")
    daemon = await start_daemon(config(url).replace("400ms", "20s"))
    await daemon.accepted(BODY, secret=None)
    (line,) = await daemon.log.wait_for("attempt", number=1)
    assert line["error"] == "tls_error"


async def test_a_gigabyte_is_read_to_the_bound_and_no_further(
    start_daemon: StartDaemon, start: Start
) -> None:
    written_bytes = 0
    ended = asyncio.Event()

    async def gigabyte(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written_bytes
        await one_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        chunk = b"y" * 65536
        try:
            while written_bytes < 1_000_000_000:
                writer.write(chunk)
                await writer.drain()
                written_bytes += len(chunk)
        finally:
            ended.set()

    daemon = await start_daemon(config(await start(gigabyte)).replace("400ms", "20s"))
    event_id = await daemon.accepted(BODY, secret=None)
    await daemon.log.wait_for("attempt", result="success")
    async with asyncio.timeout(HANG_S):
        await ended.wait()
    assert written_bytes < 100_000_000  # what the socket buffers took, no gigabyte
    attempt = (await daemon.story(event_id)).attempts[0]
    assert attempt.response_head == b"y" * 2048
