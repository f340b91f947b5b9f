"""What answers of queues take while they are written: bounded, whoever does not read them."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from patience import HANG_S
from rig import BODY, FakeClock, StartDaemon
from rig_api import TOKEN
from rig_pull import OTHER_KEY, Queue, polls, queue_config, start_queue

from dispatchd.admin.api import writing
from dispatchd.deliver.answers import ANSWERS_MAX_BYTES, Answers

LARGE_BYTES = 9 * 1024 * 1024
LARGE = b'{"n": "%s"}' % (b"x" * LARGE_BYTES)
CLAIM = "/api/v1/pull/jobs/claim"
AT_ONCE = 3  # so many of them are answered at a time


def answers(queue: Queue) -> Answers:
    parts = queue.daemon.app._admin._wired._listener._parts  # type: ignore[union-attr]
    return parts.queue("jobs").answers  # type: ignore[no-any-return]


async def until_used(queue: Queue, least: int, most: int) -> None:
    """Return when answers under way take so many bytes."""
    async with asyncio.timeout(HANG_S):
        while not least <= answers(queue).used_bytes <= most:
            await queue.admin.ask("GET", "/healthz")


@asynccontextmanager
async def asking(
    queue: Queue, method: str = "POST", path: str = CLAIM, **body: Any
) -> AsyncIterator[asyncio.StreamReader]:
    """Ask on a connection whose client reads nothing of itself, and buffers little."""
    url = aiohttp.client.URL(str(queue.daemon.admin_url))
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)  # noqa: FBT003 - the socket's own
    await asyncio.get_running_loop().sock_connect(raw, (url.host, url.port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=4096)
    document = json.dumps(body).encode()
    writer.write(
        b"%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
        % (method.encode(), path.encode(), TOKEN.encode(), len(document), document)
    )
    try:
        yield reader
    finally:
        writer.transport.abort()


async def test_consumers_that_do_not_read_take_no_more_than_the_bound(
    start_daemon: StartDaemon,
) -> None:
    """Thirty of them, 10 MiB each, took the daemon from 82 to 726 MB."""
    queue = await start_queue(start_daemon)
    for _ in range(AT_ONCE + 2):
        await queue.daemon.accepted(LARGE)
    deaf = [asking(queue) for _ in range(AT_ONCE)]
    readers = [await one.__aenter__() for one in deaf]
    await until_used(queue, AT_ONCE * LARGE_BYTES, ANSWERS_MAX_BYTES)
    status, document, headers = await queue.admin.ask("POST", CLAIM, json={"max": 1})
    assert (status, document["code"]) == (503, "too_many_answers")
    assert headers["Retry-After"] == "1"
    waiting = [asyncio.create_task(queue.claim(1, wait="1m")) for _ in range(2)]
    await polls(queue, 2)
    assert answers(queue).used_bytes <= ANSWERS_MAX_BYTES
    # One that reads after all has all of it, and leaves room for one that waits.
    async with asyncio.timeout(HANG_S):
        head = await readers[0].readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        (length,) = [
            int(line.split()[1]) for line in head.splitlines() if line.startswith(b"Content-Length")
        ]
        (item,) = json.loads(await readers[0].readexactly(length))["items"]
    assert item["body"].encode() == LARGE
    await queue.done("ack", item["lease_id"])
    for one in deaf:
        await one.__aexit__(None, None, None)
    items = [item for claim in waiting for item in await claim]
    assert [item["body"].encode() for item in items] == [LARGE] * 2
    await until_used(queue, 0, 0)
    assert await queue.claim() == []


async def test_small_answers_go_on_beside_consumers_that_do_not_read(
    start_daemon: StartDaemon,
) -> None:
    queue = await start_queue(start_daemon)
    for _ in range(2):
        await queue.daemon.accepted(LARGE)
    async with asking(queue), asking(queue):
        await until_used(queue, 2 * LARGE_BYTES, ANSWERS_MAX_BYTES)
        event_id = await queue.daemon.accepted(BODY)
        assert [item["event_id"] for item in await queue.claim()] == [event_id]


async def test_nothing_due_is_an_empty_answer_while_there_is_no_room(
    start_daemon: StartDaemon,
) -> None:
    queue = await start_queue(start_daemon, clock=FakeClock())
    assert await queue.claim() == []
    answers(queue).share().becomes(ANSWERS_MAX_BYTES)
    assert await queue.claim() == []
    await queue.daemon.accepted(BODY)
    assert (await queue.ask("claim"))[0] == 503


async def test_a_wait_that_ends_without_room_says_so(start_daemon: StartDaemon) -> None:
    clock = FakeClock()
    queue = await start_queue(start_daemon, clock=clock)
    answers(queue).share().becomes(ANSWERS_MAX_BYTES)
    event_id = await queue.daemon.accepted(BODY)
    waiting = asyncio.create_task(queue.ask("claim", wait="20s"))
    await polls(queue, 1)
    await queue.daemon.pass_until(clock, waiting.done)
    status, document = waiting.result()
    assert (status, document["code"]) == (503, "too_many_answers")
    assert await queue.attempts(event_id) == []


async def test_who_waits_for_room_is_served_as_soon_as_there_is_some(
    start_daemon: StartDaemon,
) -> None:
    """Whichever queue's answers left it, and without a look at the time, which stands still."""
    jobs = await start_queue(start_daemon, clock=FakeClock())
    others = Queue(jobs.daemon, "others", OTHER_KEY)
    share = answers(jobs).share()
    share.becomes(ANSWERS_MAX_BYTES)
    for slug in ("my-slug", "second"):
        await jobs.daemon.accepted(BODY, slug=slug)
    waiting = [asyncio.create_task(one.claim(wait="1m")) for one in (jobs, others)]
    await polls(jobs, 1)
    await polls(others, 1)
    share.give_back()
    async with asyncio.timeout(HANG_S):
        assert [len(await one) for one in waiting] == [1, 1]


async def test_who_does_not_read_is_cut_off_and_its_lease_runs_out(
    start_daemon: StartDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "STALLED_S", 0.2)
    clock = FakeClock()
    options = ", retry: {backoff: [1s], jitter: 0}"
    queue = await start_queue(start_daemon, queue_config(options), clock=clock)
    event_id = await queue.daemon.accepted(LARGE)
    async with asking(queue, lease="10s") as reader:
        (line,) = await queue.daemon.log.wait_for("reader_cut_off")
        assert line["path"] == CLAIM
        await until_used(queue, 0, 0)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(LARGE_BYTES)
    monkeypatch.undo()
    assert await queue.claim() == []
    clock.advance(11)
    await queue.daemon.log.wait_for("attempt", error="lease_expired")
    clock.advance(1)
    (item,) = await queue.claim(wait="1m")
    assert (item["event_id"], item["attempt"]) == (event_id, 2)


async def test_a_consumer_of_many_small_ones_gets_an_answer_within_its_bound(
    start_daemon: StartDaemon,
) -> None:
    """Fewer than `max`, and one at least."""
    queue = await start_queue(start_daemon)
    for _ in range(5):
        await queue.daemon.accepted(b'{"n": "%s"}' % (b"x" * 400_000))
    assert [len(await queue.claim(100)) for _ in range(4)] == [2, 2, 1, 0]


@pytest.mark.parametrize("path", ["", "/body"])
async def test_who_does_not_read_an_event_is_cut_off(
    start_daemon: StartDaemon, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(writing, "STALLED_S", 0.2)
    queue = await start_queue(start_daemon)
    event_id = await queue.daemon.accepted(LARGE)
    async with asking(queue, "GET", f"/api/v1/events/{event_id}{path}"):
        (line,) = await queue.daemon.log.wait_for("reader_cut_off")
        assert line["path"] == f"/api/v1/events/{event_id}{path}"
