"""A client that follows: what it makes of refusals, cuts and silence, and where it goes on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from patience import HANG_S

from dispatchd.admin.stream.blocks import HEARTBEAT, block, greeting, passed
from dispatchd.remote import following
from dispatchd.remote.daemon import DaemonAt, Refused
from dispatchd.remote.following import Following

IDS = [f"01a2192a-44cf-7773-a694-00000000000{n}" for n in range(10)]
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def event(n: int) -> bytes:
    return block("event", b'{"n":%d}' % n, IDS[n])


def streaming(*pieces: bytes, silent: bool = False) -> Answer:
    """Answer with a stream of these pieces, then cut it; or keep it open and say nothing."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        if silent:
            await asyncio.Event().wait()
        assert request.transport is not None
        request.transport.close()
        return response

    return answer


def plain(status: int, **kwargs: object) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, **kwargs)  # type: ignore[arg-type]

    return answer


class Server:
    """Gives one answer after the other, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[tuple[str | None, dict[str, str]]] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        assert request.path == "/api/v1/stream"
        assert request.headers["Authorization"] == "Bearer t"
        self.asked.append((request.headers.get("Last-Event-ID"), dict(request.query)))
        return await self.answers.pop(0)(request)


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, DaemonAt]]:
    one = Server()
    app = web.Application()
    app.router.add_get("/{tail:.*}", one.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield one, DaemonAt(f"http://127.0.0.1:{runner.addresses[0][1]}", "t")
    await runner.cleanup()


class Client:
    """Follows until nothing is left to be answered; time passes at once."""

    def __init__(self, daemon: DaemonAt, last_id: str | None = None) -> None:
        self.said: list[str] = []
        self.waited_s: list[float] = []
        self.daemon = daemon
        self.following = Following(
            daemon,
            {"endpoint": "x"},
            last_id=last_id,
            now_ms=0,
            say=self.said.append,
            pause=self._pause,
        )

    async def _pause(self, seconds: float) -> None:
        self.waited_s.append(seconds)

    async def numbers(self, count: int) -> list[int]:
        found: list[int] = []
        async with self.daemon.session() as session, asyncio.timeout(HANG_S):
            async for told in self.following.told(session):
                found.append(told.fields["n"])
                if len(found) == count:
                    break
        return found


async def test_a_cut_stream_goes_on_behind_the_last_whole_event(
    server: tuple[Server, DaemonAt],
) -> None:
    one, daemon = server
    one.answers = [
        streaming(greeting(IDS[0]), event(1), event(2)[:-1]),
        streaming(greeting(IDS[1]), HEARTBEAT, event(2), passed(IDS[5])),
        streaming(greeting(IDS[5]), event(6)),
    ]
    client = Client(daemon)
    assert await client.numbers(3) == [1, 2, 6]
    assert [last_id for last_id, _ in one.asked] == [None, IDS[1], IDS[5]]
    assert all(query == {"endpoint": "x"} for _, query in one.asked)
    assert client.following.last_id == IDS[6]
    assert client.said[0] == (
        f"the connection to {daemon} broke in the middle of an answer; trying again"
    )


async def test_what_passes_is_tried_again_more_and_more_slowly(
    server: tuple[Server, DaemonAt],
) -> None:
    one, daemon = server
    one.answers = [
        *[plain(status) for status in (502, 503, 504, 429, 500, 503, 503)],
        plain(503, headers={"Retry-After": "40"}, text='{"detail": "too many\\u001b follow"}'),
        streaming(greeting(IDS[0]), event(1)),
        streaming(greeting(IDS[1]), event(2)),
    ]
    client = Client(daemon)
    assert await client.numbers(2) == [1, 2]
    for waited_s, about_s in zip(client.waited_s, (0.5, 1, 2, 4, 8, 15, 15, 40, 0.5), strict=True):
        assert 0.8 * about_s <= waited_s <= 1.2 * about_s
    assert client.said[0].endswith("answered 502; trying again")
    assert any("(too many\\x1b follow)" in said for said in client.said)
    assert client.said.count(f"{daemon} is back") == 2
    # It may have had events since the first try: those are asked for once it answers.
    assert one.asked[0][1] == {"endpoint": "x"}
    assert one.asked[1][1] == {"endpoint": "x", "since": "1970-01-01T00:00:00.000Z"}
    assert one.asked[-1] == (IDS[1], {"endpoint": "x"})


async def test_silence_is_an_end(
    server: tuple[Server, DaemonAt], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "SILENCE_S", 0.2)
    one, daemon = server
    one.answers = [
        streaming(greeting(IDS[0]), silent=True),
        streaming(greeting(IDS[0]), event(1)),
    ]
    client = Client(daemon)
    assert await client.numbers(1) == [1]
    assert client.said[0] == f"{daemon} gave no sign of life; trying again"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (plain(401), "wants another token"),
        (plain(400, text='{"detail": "no", "errors": [{"name": "a", "message": "b"}]}'), "no; a b"),
        (plain(404), "answered 404"),
        (plain(302, headers={"Location": "/elsewhere"}), "answered 302"),
        (plain(200, text="<html>"), "is no admin listener"),
    ],
)
async def test_what_would_be_the_same_again_is_the_end(
    server: tuple[Server, DaemonAt], answer: Answer, said: str
) -> None:
    one, daemon = server
    one.answers = [answer]
    with pytest.raises(Refused, match=said):
        await Client(daemon).numbers(1)
    assert len(one.asked) == 1


@pytest.mark.parametrize("data", [b"[]", b"{", b"1"])
async def test_events_that_are_none_are_a_broken_stream(
    server: tuple[Server, DaemonAt], data: bytes
) -> None:
    one, daemon = server
    one.answers = [
        streaming(greeting(IDS[0]), block("event", data, IDS[1])),
        streaming(greeting(IDS[1]), event(2)),
    ]
    client = Client(daemon)
    assert await client.numbers(1) == [2]
    assert "broke" in client.said[0]


async def test_the_token_is_in_no_repr() -> None:
    assert "secret" not in repr(DaemonAt("http://x", "secret"))
