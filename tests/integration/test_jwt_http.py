"""Tokens and the key set of a real server: rotated, down, slow, huge, asked for by strangers."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from rig import Daemon, FakeClock, StartDaemon
from tokens import jwk, key_set, pem, rsa_key, token

from dispatchd import pinned as pinned_module
from dispatchd.pinned import AGAIN_S, DOCUMENT_MAX_BYTES
from dispatchd.verify.pinned import KEY_SET

OLD, NEW = rsa_key(), rsa_key()


class Issuer:
    """A server of keys that does as it is told, and counts."""

    def __init__(self) -> None:
        self.asked = 0
        self.url = ""
        self.keys(("k1", OLD))

    def keys(self, *named: tuple[str, Any]) -> None:
        self.serves(key_set(*(jwk(key, kid) for kid, key in named)))

    def serves(self, body: bytes, status: int = 200, **headers: str) -> None:
        async def answer() -> web.Response:
            return web.Response(body=body, status=status, headers=headers)

        self.answer: Callable[[], Awaitable[web.StreamResponse]] = answer

    async def handle(self, _request: web.Request) -> web.StreamResponse:
        self.asked += 1
        return await self.answer()


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    made = Issuer()
    app = web.Application()
    app.router.add_get("/keys", made.handle)
    async with TestServer(app) as server:
        made.url = str(server.make_url("/keys"))
        yield made


@pytest.fixture
async def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def daemon(start_daemon: StartDaemon, issuer: Issuer, clock: FakeClock) -> Daemon:
    return await start_daemon(
        f"""
        endpoints:
          my-slug: {{jwt: {{jwks: '{issuer.url}', issuer: them, audience: [us, we]}}}}
        """,
        clock=clock,
    )


def bearer(clock: FakeClock, key: Any = OLD, kid: str | None = "k1", **claims: object) -> dict:
    right = {"iss": "them", "aud": "us", "exp": clock.now_ms() / 1000 + 60} | claims
    head = {} if kid is None else {"kid": kid}
    return {"Authorization": f"Bearer {token(key, right, **head)}"}


async def status(daemon: Daemon, headers: dict[str, str]) -> tuple[int, str]:
    code, document, answered = await daemon.post(b"{}", secret=None, headers=headers)
    if code == 503:
        assert int(answered["Retry-After"]) >= AGAIN_S
    return code, document["error"]["code"] if "error" in document else ""


UNAVAILABLE = (503, "key_set_unavailable")
TAKEN, REFUSED = (202, ""), (401, "invalid_signature")


async def test_a_key_set_is_fetched_once(daemon: Daemon, issuer: Issuer, clock: FakeClock) -> None:
    headers = bearer(clock)
    answers = await asyncio.gather(*(status(daemon, headers) for _ in range(8)))
    assert answers == [TAKEN] * 8
    assert issuer.asked == 1
    (event,) = daemon.log.of("event", auth="jwt[jwks]")[:1]
    assert headers["Authorization"] not in repr(event)
    assert await status(daemon, bearer(clock, aud="them")) == REFUSED
    assert await status(daemon, bearer(clock, exp=1)) == (401, "stale_timestamp")
    assert await status(daemon, {}) == (401, "unauthenticated")


async def test_a_new_key_is_known_within_a_minute(
    daemon: Daemon, issuer: Issuer, clock: FakeClock
) -> None:
    assert await status(daemon, bearer(clock)) == TAKEN
    issuer.keys(("k1", OLD), ("k2", NEW))
    assert await status(daemon, bearer(clock, NEW, "k2")) == REFUSED  # the set is not a minute old
    assert issuer.asked == 1
    clock.advance(AGAIN_S)
    assert await status(daemon, bearer(clock, NEW, "k2")) == TAKEN
    assert await status(daemon, bearer(clock)) == TAKEN
    assert issuer.asked == 2
    issuer.keys(("k2", NEW))
    clock.advance(KEY_SET.fresh_s)
    await status(daemon, bearer(clock, NEW, "k2"))
    while issuer.asked < 3 or await status(daemon, bearer(clock)) == TAKEN:  # the old one is gone
        await asyncio.sleep(0)
    assert await status(daemon, bearer(clock)) == REFUSED


async def test_strangers_cause_one_fetch_a_minute(
    daemon: Daemon, issuer: Issuer, clock: FakeClock
) -> None:
    assert await status(daemon, bearer(clock)) == TAKEN
    clock.advance(AGAIN_S)
    forged = [bearer(clock, NEW, f"made-up-{n}") for n in range(40)]
    answers = await asyncio.gather(*(status(daemon, headers) for headers in forged))
    assert answers == [REFUSED] * 40
    assert issuer.asked == 2
    for useless in ("x.y.z", "", token(b"secret", {}, "HS256"), token(OLD, {}, "none")):
        clock.advance(AGAIN_S)
        assert await status(daemon, {"Authorization": f"Bearer {useless}"}) == REFUSED
    assert issuer.asked == 2  # refused without it


async def test_known_keys_are_used_on_while_the_issuer_is_down(
    daemon: Daemon, issuer: Issuer, clock: FakeClock
) -> None:
    assert await status(daemon, bearer(clock)) == TAKEN
    issuer.serves(b"", 500)
    clock.advance(AGAIN_S)
    assert await status(daemon, bearer(clock, NEW, "k2")) == UNAVAILABLE
    assert await status(daemon, bearer(clock)) == TAKEN
    assert await status(daemon, bearer(clock, NEW, "k1")) == REFUSED
    assert issuer.asked == 2
    clock.advance(KEY_SET.stale_s)  # there is an end to it
    assert await status(daemon, bearer(clock)) == UNAVAILABLE
    issuer.keys(("k1", OLD))
    clock.advance(AGAIN_S)
    assert await status(daemon, bearer(clock)) == TAKEN


KEYS = json.loads(key_set(jwk(OLD, "k1")))


@pytest.mark.parametrize(
    "served",
    [
        (b"", 500, {}),
        (b"<html>", 200, {}),
        (b'{"keys":', 200, {}),
        (b"[]", 200, {}),
        (json.dumps(KEYS | {"x": "x" * DOCUMENT_MAX_BYTES}).encode(), 200, {}),
        (gzip.compress(json.dumps(KEYS).encode()), 200, {"Content-Encoding": "gzip"}),
        (json.dumps(KEYS).encode(), 302, {"Location": "/keys"}),
        (json.dumps(KEYS).encode(), 404, {}),
    ],
    ids=["500", "page", "cut", "list", "huge", "compressed", "redirect", "404"],
)
async def test_a_key_set_that_cannot_be_had_is_a_503(
    daemon: Daemon, issuer: Issuer, clock: FakeClock, served: tuple[bytes, int, dict[str, str]]
) -> None:
    body, code, headers = served
    issuer.serves(body, code, **headers)
    for _ in range(3):
        assert await status(daemon, bearer(clock)) == UNAVAILABLE
    assert issuer.asked == 1
    issuer.keys(("k1", OLD))
    clock.advance(AGAIN_S)
    assert await status(daemon, bearer(clock)) == TAKEN


async def test_a_slow_issuer_is_given_up(
    daemon: Daemon, issuer: Issuer, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pinned_module, "FETCH_TIMEOUT_S", 0.05)
    never = asyncio.Event()

    async def hang() -> web.StreamResponse:
        await never.wait()
        return web.Response()

    issuer.answer = hang
    assert await status(daemon, bearer(clock)) == UNAVAILABLE
    never.set()


async def test_a_key_of_ones_own_and_what_send_signs(
    start_daemon: StartDaemon, clock: FakeClock
) -> None:
    text = pem(OLD).replace("\n", "\\n")
    daemon = await start_daemon(
        f"""
        endpoints:
          my-slug: {{public_key: "{text}", jwt: {{audience: us, header: X-Proof}}}}
        """,
        clock=clock,
    )
    bare = {"X-Proof": bearer(clock)["Authorization"].removeprefix("Bearer ")}
    assert await status(daemon, bare) == TAKEN
    assert await status(daemon, bearer(clock)) == (401, "invalid_api_key")
    assert "X-Proof" not in repr(daemon.log.lines)
