"""The admin listener itself: aiohttp's application behind the public listener's own server.

So the bounds on heads and connections are the same, and nothing of it is on the public port.
"""

from typing import Any, Final

from aiohttp import web

from dispatchd.admin.api.routes import add_api
from dispatchd.admin.counters import Counters
from dispatchd.admin.dashboard.pulse import Pulse
from dispatchd.admin.dashboard.routes import Dashboard
from dispatchd.admin.guard import Guard, add_headers, spelled
from dispatchd.admin.health import Health
from dispatchd.admin.login import Login
from dispatchd.admin.metrics import Metrics
from dispatchd.admin.parts import AdminParts, Running
from dispatchd.admin.standing import Standing
from dispatchd.handed import HandedSockets
from dispatchd.listen import bind
from dispatchd.receive.answers import Refusal
from dispatchd.receive.connections import Connections
from dispatchd.receive.server import close_listener, http_server

CONNECTIONS_MAX: Final = 512  # those that stay (streams, claims, pages) are 320 at most
CONNECTIONS_PER_CLIENT_MAX: Final = 64
BODY_MAX_BYTES: Final = 4 * 1024 * 1024
DRAIN_S: Final = 2.0


class AdminListener:
    """Serves the dashboard, the API, the metrics and the health until it is closed."""

    def __init__(self, parts: AdminParts, counters: Counters, pulse: Pulse) -> None:
        self._parts = parts
        guard = self._guard = Guard(parts)
        standing = Standing(parts)
        dashboard = self._dashboard = Dashboard(parts, pulse, standing)
        self.app = web.Application(
            middlewares=[dashboard.problems, guard.problems, guard.door, dashboard.consumers],
            client_max_size=BODY_MAX_BYTES,
        )
        self.app.on_response_prepare.append(add_headers)
        health = Health(parts)
        login = Login(parts, guard, dashboard.pages)
        self.app.add_routes(
            [
                web.get("/healthz", health.alive),
                web.get("/readyz", health.ready),
                web.get("/metrics", Metrics(parts, counters, standing).scrape),
                web.get("/login", login.page),
                web.post("/login", login.enter),
                web.get("/api/v1/session", login.session),
                web.post("/logout", login.leave),
            ]
        )
        add_api(self.app, parts, guard.still_in)
        dashboard.add_to(self.app)
        self.port: int | None = None  # of a TCP listener, once started

    async def start(self, handed: HandedSockets) -> None:
        """Listen, perhaps on a socket of systemd's. Raises DispatchdError."""
        app: Any = self.app  # aiohttp's own runner has it do the same, and no server of ours
        app._set_loop(None)  # noqa: SLF001 - likewise
        app.freeze()
        connections = Connections(CONNECTIONS_MAX, CONNECTIONS_PER_CLIENT_MAX)
        server = http_server(
            self._handle,
            self._parts.log,
            connections,
            request_factory=app._make_request,  # noqa: SLF001 - likewise
            spelled=spelled,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=DRAIN_S)
        await self._runner.setup()
        listen = self._parts.running.spec.listen
        self.port = await bind(self._runner, listen, handed.get)

    async def _handle(self, request: Any) -> Any:
        app: Any = self.app
        try:
            return await app._handle(request)  # noqa: SLF001 - likewise
        except web.HTTPExpectationFailed:  # raised before any middleware is asked
            return spelled(Refusal(417, "bad_request", "there is no such expectation", close=True))

    def follow(self, running: Running) -> None:
        """Tell of another config from here on. Another token ends the sessions of this one."""
        if running.spec.token != self._parts.running.spec.token:
            self._guard.sessions.end_all()
        self._parts.running = running
        self._dashboard.follow()
        self._parts.feed.wake_all()  # whom this token lets in no more

    async def close(self) -> None:
        """Stop accepting, answer what has begun, close."""
        self._parts.feed.close()
        await self._dashboard.close()
        await close_listener(self._runner, DRAIN_S)
        await self._runner.cleanup()
