"""HttpSender against servers that hang up: what is sent again, and what never is."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterator

import pytest
from rig_raw import OK, Connections, Start, failed, ok, one_request, post

from dispatchd.model import ErrorClass
from dispatchd.send import HttpSender
from dispatchd.send.connection import Connection


class Closing:
    """A server of which the test holds the sockets: it closes one at an exact moment."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/in"

    def accept(self) -> socket.socket:
        """Accept a connection and answer its first request; blocks, so it runs in a thread."""
        accepted, _ = self.listener.accept()
        self.read_request(accepted)
        accepted.sendall(OK)
        return accepted

    def read_request(self, accepted: socket.socket) -> bytes:
        data = b""
        while not data.endswith(b"}"):
            data += accepted.recv(65536)
        return data


@pytest.fixture
def closing() -> Iterator[Closing]:
    server = Closing()
    yield server
    server.listener.close()


@pytest.mark.parametrize("body", [b"{}", b"x" * 60_000 + b"}"])
async def test_a_request_that_met_a_close_is_sent_again_at_once(
    sender: HttpSender, closing: Closing, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    """The other side had closed before the first byte came: it cannot have read anything."""
    first, accepted = await asyncio.gather(
        sender.send(post(closing.url)), asyncio.to_thread(closing.accept)
    )
    ok(first)
    is_fit = Connection.is_fit

    def close_behind(connection: Connection) -> bool:
        fit = is_fit(connection)
        accepted.close()
        return fit

    monkeypatch.setattr(Connection, "is_fit", close_behind)
    second, again = await asyncio.gather(
        sender.send(post(closing.url, body)), asyncio.to_thread(closing.accept)
    )
    again.close()
    assert ok(second).status == 200


@pytest.mark.parametrize("read", ["whole", "in part", "not at all", "then reset"])
async def test_a_request_that_arrived_is_not_sent_twice_by_a_hang_up(
    sender: HttpSender, closing: Closing, read: str
) -> None:
    """It may have been acted upon, however soon the hang-up comes: it is a failed attempt."""

    def hang_up(accepted: socket.socket) -> None:
        match read:
            case "whole":
                closing.read_request(accepted)
            case "in part":
                accepted.recv(10)
            case "not at all":
                assert accepted.recv(10, socket.MSG_PEEK)
            case _:
                closing.read_request(accepted)
                accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        accepted.close()

    first, accepted = await asyncio.gather(
        sender.send(post(closing.url)), asyncio.to_thread(closing.accept)
    )
    ok(first)
    second, _ = await asyncio.gather(
        sender.send(post(closing.url)), asyncio.to_thread(hang_up, accepted)
    )
    assert failed(second).error is ErrorClass.RESET
    closing.listener.settimeout(0.0)
    with contextlib.suppress(BlockingIOError):
        closing.listener.accept()
        pytest.fail("the request was sent again")


async def test_a_fresh_connection_that_closes_is_a_failed_attempt(
    sender: HttpSender, start: Start
) -> None:
    opened = 0

    async def serve(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1

    url = await start(serve)
    assert failed(await sender.send(post(url))).error is ErrorClass.RESET
    assert opened == 1


async def test_no_race_once_an_answer_had_begun(sender: HttpSender, start: Start) -> None:
    seen = Connections()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.requests.append((0, *await one_request(reader)))
        writer.write(OK)
        seen.requests.append((0, *await one_request(reader)))
        writer.write(b"HTTP/1.1 2")

    url = await start(serve)
    ok(await sender.send(post(url)))
    assert failed(await sender.send(post(url))).error is ErrorClass.RESET
    assert len(seen.requests) == 2
