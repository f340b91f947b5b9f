"""Pinned documents, fetched from a server that takes its time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from rig_raw import Serve, raw_servers
from rig_tls import Files, make_files, tls_server

from dispatchd.pinned import PinnedDocuments
from dispatchd.verify.pinned import CERTIFICATE, Pinned

PEM = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_files(tmp_path_factory.mktemp("files"), "certs.example")


@pytest.fixture
async def start(files: Files) -> AsyncIterator[Callable[[Serve], Awaitable[str]]]:
    async with raw_servers(ssl=tls_server(files)) as servers:

        async def start(handler: Serve) -> str:
            async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await reader.readuntil(b"\r\n\r\n")
                await handler(reader, writer)

            return await servers(asked, path="/cert.pem")

        yield start


async def test_a_bundle_that_comes_in_parts_is_kept_whole(
    files: Files, start: Callable[[Serve], Awaitable[str]]
) -> None:
    """A chain spans several reads; half of one, kept for a day, would refuse every sender."""

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (100 * len(PEM)))
        for _ in range(100):
            writer.write(PEM)
            await writer.drain()
            await asyncio.sleep(0)

    url = await start(serve)
    certificates = PinnedDocuments(cafile=files.ca)
    await certificates.ensure(Pinned(url, CERTIFICATE))
    assert certificates.get(url) == 100 * PEM


@pytest.mark.parametrize("announced", [True, False])
async def test_a_bundle_too_large_or_cut_is_none(
    files: Files, start: Callable[[Serve], Awaitable[str]], announced: bool
) -> None:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
        if announced:
            writer.write(head + b"Content-Length: 9999\r\n\r\n" + PEM)
        else:
            writer.write(head + b"\r\n" + PEM + b"x" * 70_000)
        await writer.drain()

    url = await start(serve)
    certificates = PinnedDocuments(cafile=files.ca)
    await certificates.ensure(Pinned(url, CERTIFICATE))
    assert certificates.get(url) is None


async def test_roots_that_are_missing_are_no_surprise(
    start: Callable[[Serve], Awaitable[str]],
) -> None:
    """`ensure` never raises: a sender's event waits for it."""

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + PEM)

    url = await start(serve)
    certificates = PinnedDocuments(cafile="/nonexistent/ca.pem")
    await certificates.ensure(Pinned(url, CERTIFICATE))
    assert certificates.get(url) is None
