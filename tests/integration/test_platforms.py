"""Each platform's own server: it keeps to what is documented, and so does what it is sent."""

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest
from aiohttp import web
from patience import HANG_S
from platform_parts import Arrived
from platforms import PLATFORMS
from rig import Daemon, FakeClock, StartDaemon, signature
from speakers import HOSTILE

GITHUB = orjson.dumps(
    {
        "action": "opened",
        "repository": {"full_name": "octo/repo", "html_url": "https://github.com/octo/repo"},
        "pull_request": {
            "number": 5,
            "title": "Fix " + HOSTILE.replace("\ud800", ""),
            "body": HOSTILE.replace("\ud800", "") * 20,
            "html_url": "https://github.com/octo/repo/pull/5",
            "labels": [{"name": "@everyone"}],
        },
        "sender": {"login": "octocat"},
    }
)
SECRETS = (
    "Sekrit-Token1",
    "SekritToken1",
    "t0k3n-of-chat",
    "sekrit1token",
    "syt_token",
    "ABC-DEF_ghi",
)
LATER = {
    "discord": (429, b'{"message":"slow","retry_after":2.0,"global":false}', {}),
    "slack": (429, b"rate_limited", {"Retry-After": "2"}),
    "slack-bot": (429, b'{"ok":false,"error":"ratelimited"}', {"Retry-After": "2"}),
    "telegram": (429, b'{"ok":false,"error_code":429,"parameters":{"retry_after":2}}', {}),
    "matrix": (429, b'{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":2000}', {}),
    "mattermost": (429, b"{}", {"Retry-After": "2"}),
    "googlechat": (429, b"{}", {"Retry-After": "2"}),
}


class PlatformServer:
    """One platform: says what a request breaks, answers as it documents."""

    def __init__(self, name: str) -> None:
        self.platform = PLATFORMS[name]
        self.arrived: list[Arrived] = []
        self.breaches: list[str] = []
        self.answers: list[tuple[int, bytes, dict[str, str]]] = []  # the first ones
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        it = Arrived(request.method, request.raw_path, headers, body)
        self.arrived.append(it)
        try:
            self.breaches += self.platform.breaches(it)
        except Exception as error:  # noqa: BLE001 - a body that cannot be read is a breach too
            self.breaches.append(repr(error))
        if self.answers:
            status, said, extra = self.answers.pop(0)
            return web.Response(status=status, body=said, headers=extra)
        if self.breaches:
            return web.Response(status=400, text="; ".join(self.breaches))
        return web.Response(body=self.platform.ok)


@pytest.fixture(params=PLATFORMS)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[PlatformServer]:
    server = PlatformServer(request.param)
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


def config(server: PlatformServer) -> str:
    destination = server.platform.keys.replace("{base}", server.url)
    return f"""
endpoints:
  my-slug: {{provider: github, secret: your-signing-secret, destinations: [team]}}
destinations:
  team: {destination}
"""


async def sent(daemon: Daemon, body: bytes = GITHUB, kind: str = "pull_request") -> str:
    headers = {"X-GitHub-Event": kind, "X-Hub-Signature-256": signature(body)}
    return await daemon.accepted(body, secret=None, headers=headers)


async def test_a_hostile_event_is_said_within_the_rules(
    start_daemon: StartDaemon, server: PlatformServer
) -> None:
    daemon = await start_daemon(config(server))
    event_id = await sent(daemon)
    await daemon.log.wait_for("attempt", result="success")
    assert server.breaches == []
    (it,) = server.arrived
    assert it.headers["accept-encoding"] == "identity"
    assert "octo/repo" in it.body.decode().replace("\\\\", "")
    (attempt,) = (await daemon.story(event_id)).attempts
    assert attempt.error is None
    assert attempt.status_code == 200


async def test_it_is_left_alone_for_as_long_as_it_asks(
    start_daemon: StartDaemon, server: PlatformServer, request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.params["server"]
    if name not in LATER:
        server.answers = [(503, b"", {"Retry-After": "2"})]
    else:
        server.answers = [LATER[name]]
    clock = FakeClock()
    daemon = await start_daemon(config(server), clock=clock)
    await sent(daemon)
    await daemon.pass_until(clock, lambda: server.arrived)  # a rate limit's first gap
    await daemon.log.wait_for("lane_paced", destination="team")
    clock.advance(1.9)
    await daemon.store.ping()
    assert len(server.arrived) == 1
    await daemon.pass_until(clock, lambda: daemon.log.of("attempt", result="success"))
    assert server.breaches == []
    first, second = server.arrived
    assert first.body == second.body
    assert first.target == second.target  # a transaction's id, for one


async def test_what_is_echoed_of_its_secrets_is_kept_nowhere(
    start_daemon: StartDaemon, server: PlatformServer
) -> None:
    server.answers = [(500, (" ".join(SECRETS) + " and so on").encode(), {})]
    daemon = await start_daemon(config(server))
    event_id = await sent(daemon)
    await daemon.log.wait_for("attempt", result="retrying")
    (attempt,) = (await daemon.story(event_id)).attempts
    kept = attempt.response_head.decode()
    own = [secret for secret in SECRETS if secret in server.platform.keys]
    assert not [secret for secret in own if secret in kept]
    logged = repr(daemon.log.lines)
    assert not [secret for secret in own if secret in logged]


async def test_a_large_body_is_told_of_by_its_size(
    start_daemon: StartDaemon, server: PlatformServer
) -> None:
    daemon = await start_daemon(config(server))
    body = orjson.dumps({"pad": ["x"] * 400_000})
    async with asyncio.timeout(HANG_S):
        await sent(daemon, body, "push")
        await daemon.log.wait_for("attempt", result="success")
    assert server.breaches == []
    assert b"MiB" in server.arrived[0].body
