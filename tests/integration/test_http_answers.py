"""HttpSender: what counts as an answer, and how much of one is read."""

import asyncio
import time

import pytest
from patience import HANG_S
from rig_raw import Connections, Start, answering, failed, ok, one_request, post

from dispatchd.model import ErrorClass
from dispatchd.send import HttpSender


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok!",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;" + b"x" * 100_000 + b"\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokXX0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 50_000,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"220 mail.example.com ESMTP\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
        (b"HTTP/1.1 103 Early\r\nX: " + b"y" * 15_000 + b"\r\n\r\n") * 6,
    ],
    ids=lambda answer: answer[:70].decode().replace("\r\n", "|"),
)
async def test_what_is_no_answer(sender: HttpSender, start: Start, answer: bytes) -> None:
    url = await start(answering(Connections(), answer))
    assert failed(await sender.send(post(url))).error is ErrorClass.PROTOCOL


async def test_a_service_that_speaks_no_http_is_told_at_once(
    sender: HttpSender, start: Start
) -> None:
    """A greeting without an empty line held its place until the timeout, and was called one."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await one_request(reader)
        writer.write(b"220 mail.example ESMTP\r\n")
        await reader.read()

    url = await start(serve)
    assert failed(await sender.send(post(url, timeout_s=60.0))).error is ErrorClass.PROTOCOL


async def test_a_flood_of_interim_answers_does_not_hold_the_loop(
    sender: HttpSender, start: Start
) -> None:
    written = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await one_request(reader)
        while True:
            writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 1000)
            written += 1
            await writer.drain()

    url = await start(flood)
    began_s = time.process_time()
    assert failed(await sender.send(post(url))).error is ErrorClass.PROTOCOL
    assert written < 500, time.process_time() - began_s  # it ended at once: a bound, not a timeout


async def test_retry_after_is_found_behind_many_headers(sender: HttpSender, start: Start) -> None:
    padding = b"".join(b"X-Padding-%d: %s\r\n" % (n, b"y" * 200) for n in range(40))
    answer = b"HTTP/1.1 503 Busy\r\n" + padding + b"Retry-After: 120\r\nContent-Length: 0\r\n\r\n"
    reply = ok(await sender.send(post(await start(answering(Connections(), answer)))))
    assert reply.retry_after == "120"
    assert sum(len(n) + len(v) for n, v in reply.headers) <= 4096


async def test_headers_that_are_not_utf8_are_text(sender: HttpSender, start: Start) -> None:
    answer = b"HTTP/1.1 200 OK\r\nX-Odd: caf\xe9\r\nContent-Length: 0\r\n\r\n"
    reply = ok(await sender.send(post(await start(answering(Connections(), answer)))))
    for _, value in reply.headers:
        value.encode()  # no lone surrogate: it can be stored


async def test_a_body_without_end_is_read_to_the_bound(sender: HttpSender, start: Start) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await one_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1\r\nx\r\n" * 1000)
            await writer.drain()

    reply = ok(await sender.send(post(await start(serve))))
    assert reply.head == b"x" * 2048


async def test_an_answer_cut_by_our_own_end_is_no_success(start: Start) -> None:
    """Only the other side's end completes an answer without a length."""
    begun = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await one_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\npart")
        await writer.drain()
        begun.set()
        await reader.read()

    url = await start(serve)
    async with HttpSender() as sender:
        sending = asyncio.create_task(sender.send(post(url)))
        await begun.wait()
        (connection,) = sender._open
        async with asyncio.timeout(HANG_S):
            while connection._answer is not None and not connection._answer.status:
                await asyncio.sleep(0)
    assert failed(await sending).error is ErrorClass.RESET
