"""The public listener: where it is, where it moves to, and its end."""

import asyncio
from typing import Final

from aiohttp import web

from dispatchd.frozen import frozen
from dispatchd.handed import HandedSockets
from dispatchd.listen import bind, listening, raise_file_limit
from dispatchd.log import Log
from dispatchd.model import Listen
from dispatchd.plan import Plan
from dispatchd.receive.client_ip import Networks
from dispatchd.receive.connections import Connections
from dispatchd.receive.server import Handler, close_listener, http_server

REQUESTS_DRAIN_S: Final = 5.0  # for requests being answered when a listener closes
FILES_BESIDE: Final = 2048  # those of deliveries, the database, the log


@frozen
class _Place:
    """Somewhere it listens: `port` where that is TCP."""

    listen: Listen
    runner: web.ServerRunner
    port: int | None


class Listener:
    """Hands requests to `handler`. What connections there may be is counted over all it opens."""

    def __init__(self, handler: Handler, plan: Plan, log: Log, handed: HandedSockets) -> None:
        self._handler = handler
        self._log = log
        self._handed = handed
        self._connections = Connections(*_bounds(plan))
        self._place: _Place | None = None  # where it listens,
        self._beside: _Place | None = None  # and where it is to, beside that
        self._draining: set[asyncio.Task[None]] = set()
        self._allow_files(plan.max_connections)
        self._bounds = _bounds(plan)

    @property
    def port(self) -> int | None:
        """The port of a TCP listener, once it is open."""
        return None if self._place is None else self._place.port

    async def prepare(self, listen: Listen) -> None:
        """Listen there too. Raises DispatchdError where that cannot be."""
        server = http_server(self._handler, self._log, self._connections)
        runner = web.ServerRunner(server, shutdown_timeout=REQUESTS_DRAIN_S)
        await runner.setup()
        # A port is never shared with one of systemd's: half of the connections would wait there
        # for ever.
        place = self._place
        before = [] if place is None or place.listen.handed is not None else listening(place.runner)
        try:
            port = await bind(runner, listen, self._handed.get, before)
        except BaseException:
            await runner.cleanup()
            raise
        self._beside = _Place(listen, runner, port)

    async def forget(self) -> None:
        """Listen there no more, before `move`."""
        if self._beside is not None:
            await self._beside.runner.cleanup()
            self._beside = None

    def move(self) -> None:
        """Listen where it was prepared, and there alone; what began elsewhere is answered."""
        if self._beside is None:
            return
        before, self._place, self._beside = self._place, self._beside, None
        if before is not None:
            task = asyncio.create_task(_drained(before.runner), name="listener")
            self._draining.add(task)
            task.add_done_callback(self._draining.discard)

    def allow(self, plan: Plan) -> None:
        """Let in as many connections as another plan allows."""
        if self._bounds != _bounds(plan):
            self._bounds = _bounds(plan)
            self._connections.allow(*self._bounds)
            self._allow_files(plan.max_connections)

    async def close(self) -> None:
        """Take nothing more, and answer what has begun."""
        await self.forget()
        drains = [*self._draining]
        if self._place is not None:
            drains.append(asyncio.create_task(_closed(self._place.runner)))
        await asyncio.gather(*drains)

    async def cut(self) -> None:
        """Cut off what was not answered in time."""
        if self._place is not None:
            await self._place.runner.cleanup()

    def _allow_files(self, connections: int) -> None:
        """Every connection is an open file, and a shell's default is fewer than we allow."""
        wanted = connections + FILES_BESIDE
        allowed = raise_file_limit(wanted)
        if allowed < wanted:
            self._log.warning("file_limit", allowed=allowed, wanted=wanted)


async def _closed(runner: web.ServerRunner) -> None:
    await close_listener(runner, REQUESTS_DRAIN_S)


async def _drained(runner: web.ServerRunner) -> None:
    await _closed(runner)
    await runner.cleanup()


def _bounds(plan: Plan) -> tuple[int, int, Networks]:
    return plan.max_connections, plan.max_connections_per_client, plan.trusted_proxies
