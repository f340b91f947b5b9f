"""The HTTP server under the receiver: aiohttp's, with the contract's errors and our bounds."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from dispatchd.frozen import frozen
from dispatchd.listen import listening
from dispatchd.log import Log
from dispatchd.receive.answers import HttpAnswer, Refusal, refused
from dispatchd.receive.connection import LINGER_S, Connection
from dispatchd.receive.connections import Connections

Handler = Callable[[web.BaseRequest], Awaitable[HttpAnswer]]
Spelled = Callable[[Refusal], HttpAnswer]

REFUSED_LOG_S: Final = 1.0  # a flood of connections makes one line in this time


@frozen
class Timeouts:
    """How long a client may take, in s: with a request's head, and between requests."""

    head_s: float = 15.0
    keepalive_s: float = 75.0


class Server(web.Server):
    """aiohttp's low-level server, with what its connections share."""

    def __init__(
        self,
        handler: Handler,
        log: Log,
        connections: Connections,
        timeouts: Timeouts,
        *,
        request_factory: Any,
        spelled: Spelled,
    ) -> None:
        # What the handler returns is all of a response that aiohttp uses.
        super().__init__(cast("Any", handler), request_factory=request_factory)
        self.log = log
        self.counted = connections
        self.timeouts = timeouts
        self.spelled = spelled
        self.too_many = spelled(_TOO_MANY).unasked()
        self.live: set[Connection] = set()
        self.closing = False
        self._all_left = asyncio.Event()
        self._refused = 0

    def __call__(self) -> RequestHandler:
        """Return what handles a new connection."""
        protocol = Connection(
            self,
            loop=self._loop,
            access_log=None,  # type: ignore[arg-type]  # aiohttp: falsy is off; we log ourselves
            keepalive_timeout=self.timeouts.keepalive_s,
            auto_decompress=False,  # signatures cover the bytes as sent; and no bombs
            lingering_time=LINGER_S,
        )
        protocol._server = self  # noqa: SLF001 - our own subclass
        return protocol

    def left(self, protocol: Connection) -> None:
        """Forget a connection."""
        self.live.discard(protocol)
        if self.closing and not self.live:
            self._all_left.set()

    async def end(self, timeout_s: float) -> bool:
        """Answer what has begun and close; whether all was answered within `timeout_s`."""
        self.closing = True
        if not self.live:
            return True
        for protocol in list(self.live):
            protocol.leave()
        try:
            async with asyncio.timeout(timeout_s):
                await self._all_left.wait()
        except TimeoutError:
            return False
        return True

    def refused(self) -> None:
        """Count a connection that was one too many, for the log."""
        self._refused += 1
        if self._refused == 1:
            self._loop.call_later(REFUSED_LOG_S, self._log_refused)

    def _log_refused(self) -> None:
        self.log.warning("connections_refused", count=self._refused, connections=self.counted.open)
        self._refused = 0


def http_server(
    handler: Handler,
    log: Log,
    connections: Connections,
    timeouts: Timeouts | None = None,
    *,
    request_factory: Any = None,
    spelled: Spelled = refused,
) -> web.Server:
    """Return the low-level server for `handler`: no routing table between it and the socket.

    `request_factory` makes the requests that another kind of handler is used to; `spelled` says
    how what never becomes a request is answered.
    """
    return Server(
        handler,
        log,
        connections,
        timeouts or Timeouts(),
        request_factory=request_factory,
        spelled=spelled,
    )


async def close_listener(runner: web.ServerRunner, timeout_s: float) -> bool:
    """Stop accepting, answer every request that has begun, then close; bounded by `timeout_s`.

    Returns whether all were answered in time; what is left is for `runner.cleanup()` to cut off.
    A client either gets its answer, the last one with `Connection: close`, or sees its connection
    closed before a byte of its request was read.
    """
    server = runner.server
    if not isinstance(server, Server):
        raise TypeError("not a server of http_server()")
    await _turns()  # whoever the kernel has let in by now is accepted first
    _stop_accepting(runner)
    await _turns()  # asyncio makes a connection of what it has accepted only a turn later
    for site in list(runner.sites):
        await site.stop()
    return await server.end(timeout_s)


async def _turns() -> None:
    for _ in range(2):
        await asyncio.sleep(0)


def _stop_accepting(runner: web.ServerRunner) -> None:
    """Keep asyncio from accepting what it could no longer attach; uvloop attaches at once."""
    loop = asyncio.get_running_loop()
    for descriptor in listening(runner):
        loop.remove_reader(descriptor)


_TOO_MANY: Final = Refusal(
    503, "unavailable_overloaded", "too many connections; try again", headers={"Retry-After": "1"}
)
