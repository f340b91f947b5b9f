"""The stream under load: readers that die, that sleep, and very many of them."""

import asyncio
import random
import socket
from contextlib import AsyncExitStack
from functools import partial

import aiohttp
import pytest
from patience import HANG_S
from rig_api import TOKEN, Api
from rig_stream import followed

from dispatchd.admin.stream import feed as feeds
from dispatchd.admin.stream import serving
from dispatchd.admin.stream.follower import PAGE
from dispatchd.admin.stream.ring import Ring
from dispatchd.remote.blocks import BlockReader
from dispatchd.store.following import BEGINNING, Reading

AT_ONCE = 16


async def post(api: Api, count: int, size_bytes: int = 10) -> None:
    """Post events, some at a time; all are accepted."""
    left = iter(range(count))

    async def one_after_the_other() -> None:
        for n in left:
            await api.daemon.accepted(b'{"n": %d, "x": "%s"}' % (n, b"x" * size_bytes))

    await asyncio.gather(*(one_after_the_other() for _ in range(AT_ONCE)))


async def kept(api: Api) -> list[str]:
    """Return every event in the order of commits."""
    ids: list[str] = []
    place, more = BEGINNING, True
    while more:
        page = await api.daemon.store.follow_events(place, feeds.ALL, Reading())
        ids += [one.summary.id for one in page.kept]
        place, more = page.place, page.more
    return ids


@pytest.fixture(params=[8, 2048], ids=["tiny ring", "ring"])
def ring(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have followers fall behind soon."""
    monkeypatch.setattr(feeds, "Ring", partial(Ring, items_max=request.param))


@pytest.mark.usefixtures("ring")
async def test_a_reader_that_dies_again_and_again_misses_nothing(api: Api) -> None:
    roll = random.Random(7)
    posting = asyncio.create_task(post(api, 1500))
    ids: list[str] = []
    last_id: str | None = None
    connections = 0
    async with asyncio.timeout(HANG_S):
        while not posting.done() or len(ids) < 1500:
            async with followed(api, last_id, attempts="true") as stream:
                connections += 1
                if last_id is None:  # from the first event on, whenever that was
                    assert stream.last_id == "00000000-0000-0000-0000-000000000000"
                for _ in range(roll.randint(1, 6) if connections > 6 else 1):
                    if len(ids) + len(stream.ids()) < 1500:
                        await stream.read()
                last_id = stream.last_id
                ids += stream.ids()
    await posting
    assert connections > 5
    assert ids == await kept(api)


@pytest.mark.usefixtures("ring")
async def test_a_reader_that_sleeps_holds_up_nobody_and_catches_up(api: Api) -> None:
    """It takes nothing while 12 MB go by; the ring holds the last of them at most."""
    events = 120
    async with AsyncExitStack() as stack:
        sleeping = await stack.enter_async_context(small_reader(api))
        awake = await stack.enter_async_context(followed(api, whole="true"))
        reading = asyncio.create_task(awake.until(events))
        await post(api, events, size_bytes=100_000)
        await reading
        assert awake.ids() == await kept(api)
        feed = api.daemon.app._admin._wired._listener._parts.feed  # type: ignore[union-attr]
        assert feed.ring._bytes <= 8 * 1024 * 1024
        assert await ids_of(sleeping, events) == await kept(api)


async def test_who_comes_back_far_behind_is_told_what_the_ring_holds_too(api: Api) -> None:
    """More than a page was kept since, and all of it is in the ring, for somebody who stayed."""
    async with followed(api) as stayed:
        await post(api, 3 * PAGE.limit)
        await stayed.until(3 * PAGE.limit)
        ids = await kept(api)
        async with followed(api, ids[0]) as back:
            await api.daemon.accepted(b'{"n": "the last"}')
            await back.until(3 * PAGE.limit)
            assert back.ids() == (await kept(api))[1:]


async def test_a_reader_that_takes_nothing_is_cut_off_and_may_come_back(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "STALLED_S", 0.2)
    async with small_reader(api):
        await post(api, 120, size_bytes=100_000)
        await api.daemon.log.wait_for("follower_left", reason="slow")
    async with followed(api, since="1h") as stream:
        await stream.until(120)
        assert stream.ids() == await kept(api)


class small_reader:  # noqa: N801 - reads as a statement
    """A connection to the stream whose client reads nothing of itself, and buffers little."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def __aenter__(self) -> asyncio.StreamReader:
        url = aiohttp.client.URL(str(self._api.daemon.admin_url))
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)  # noqa: FBT003 - the socket's own
        await asyncio.get_running_loop().sock_connect(raw, (url.host, url.port))
        reader, self._writer = await asyncio.open_connection(sock=raw, limit=4096)
        self._writer.write(
            b"GET /api/v1/stream?whole=true HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Authorization: Bearer %s\r\n\r\n" % TOKEN.encode()
        )
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        while await reader.readline() != b"\r\n":
            pass
        return reader

    async def __aexit__(self, *_: object) -> None:
        self._writer.transport.abort()


async def ids_of(reader: asyncio.StreamReader, count: int) -> list[str]:
    """Read events off a chunked answer."""
    blocks, ids = BlockReader(), []
    async with asyncio.timeout(HANG_S):
        while len(ids) < count:
            size = int(await reader.readline(), 16)
            chunk = await reader.readexactly(size + 2)
            ids += [
                str(block.last_id) for block in blocks.feed(chunk[:-2]) if block.name == "event"
            ]
    return ids


async def test_a_hundred_follow_at_once(api: Api) -> None:
    """More than one address may have connections for; each is told everything, spelled once."""
    async with AsyncExitStack() as stack:
        sessions = [
            await stack.enter_async_context(
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(local_addr=(f"127.0.0.{n}", 0), limit=0)
                )
            )
            for n in (1, 2)
        ]
        streams = [
            await stack.enter_async_context(followed(api, session=sessions[n % 2], attempts="true"))
            for n in range(100)
        ]
        reading = [asyncio.create_task(stream.until(200)) for stream in streams]
        await post(api, 200)
        await asyncio.gather(*reading)
        expected = await kept(api)
        assert all(stream.ids() == expected for stream in streams)
        status, _, _ = await api.ask("GET", "/api/v1/events")
        assert status == 200
    await api.daemon.log.wait_for("follower_left", count=100)
    assert not api.daemon.log.of("internal_error")
