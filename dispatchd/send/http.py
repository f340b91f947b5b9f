"""One HTTP request out, one Reply or Failure back, over connections that are kept and shared.

Why not a general client: what a destination may do to us (floods, second answers, early answers)
is bounded here by construction, and an exchange costs a third of what a general client's does.
"""

import asyncio
import time
from itertools import chain
from types import TracebackType
from typing import Final, Self

from dispatchd.framing import FRAMING, PROXY
from dispatchd.model import Failure, Outcome, Reply, Request, Via
from dispatchd.send.answer import Answer
from dispatchd.send.classify import classify
from dispatchd.send.connect import Connector
from dispatchd.send.connection import Connection, HungUp
from dispatchd.send.resolver import Lookup, Resolver, system_lookup
from dispatchd.url import Origin, read_url
from dispatchd.verify import without_secrets

HEADERS_MAX_CHARS: Final = 4096  # of response headers that are kept
# Below the 5 s after which common servers drop an idle connection: a request that meets its
# server hanging up looks like a failed attempt.
KEEPALIVE_S: Final = 4.0
ROUTES_MAX: Final = 4096  # URLs remembered; a config has fewer

_OURS: Final = FRAMING | PROXY  # whoever set them
_MINDED: Final = _OURS | {"accept", "authorization"}
_LINE: Final = "%s: %s\r\n".__mod__


class _Pool:
    """The idle connections to one origin on one way, the latest used last."""

    __slots__ = ("idle", "origin", "via")

    def __init__(self, origin: Origin, via: Via) -> None:
        self.origin = origin
        self.via = via
        self.idle: list[tuple[float, Connection]] = []  # until when (loop's time), which

    def take(self, now_s: float) -> Connection | None:
        """Return a connection that may be used; those that may not are closed."""
        while self.idle:
            until_s, connection = self.idle.pop()
            if now_s < until_s and connection.is_fit():
                return connection
            connection.abort()
        return None

    def close_stale(self, now_s: float) -> None:
        """Close what has been idle too long."""
        kept = [entry for entry in self.idle if now_s < entry[0]]
        if len(kept) < len(self.idle):
            stale = [connection for until_s, connection in self.idle if now_s >= until_s]
            self.idle = kept
            for connection in stale:
                connection.abort()


class _Route:
    """A URL as the sender needs it: where to connect, how each request begins."""

    __slots__ = ("_breaks", "authorization", "pool", "start")

    def __init__(self, url: str, via: Via, pools: dict[tuple[Origin, Via], _Pool]) -> None:
        parsed = read_url(url)
        origin = parsed.origin
        self.pool = pools.setdefault((origin, via), _Pool(origin, via))
        self.authorization = parsed.authorization
        target, proxied = parsed.target, ""
        if via.proxy is not None and not origin.tls and origin.unix_path is None:
            target = f"http://{parsed.host_header}{target}"  # RFC 9112 section 3.2.2
            if (authorization := read_url(via.proxy).authorization) is not None:
                proxied = f"Proxy-Authorization: {authorization}\r\n"
        self.start = f" {target} HTTP/1.1\r\nHost: {parsed.host_header}\r\n{proxied}"
        self._breaks = self.start.count("\n")

    def head(self, request: Request) -> bytes:
        """Return the request line and the headers. Raises ValueError for a line break in one."""
        headers = request.headers
        pairs = headers if isinstance(headers, (tuple, list)) else headers.items()  # type: ignore[union-attr]
        lines = [request.method + self.start]
        accept, authorization = True, self.authorization
        if _MINDED.isdisjoint([name.lower() for name, _ in pairs]):
            lines += map(_LINE, pairs)
        else:
            for pair in pairs:
                lower = pair[0].lower()
                if lower in _OURS:
                    continue
                if lower == "accept":
                    accept = False
                elif lower == "authorization":
                    authorization = None
                lines.append(_LINE(pair))
        if authorization is not None:
            lines.append(f"Authorization: {authorization}\r\n")
        if accept:
            lines.append("Accept: */*\r\n")
        lines.append(f"Content-Length: {len(request.body)}\r\n\r\n")
        text = "".join(lines)
        # The last of `lines` holds two line breaks, each other one, but for the first.
        if not text.count("\n") == text.count("\r") == self._breaks + len(lines) or "\0" in text:
            raise ValueError("a header holds a line break")
        return text.encode("utf-8", "surrogateescape")


class HttpSender:
    """Sends requests over kept-alive connections. An async context manager.

    `lookup` finds a name's addresses.
    """

    def __init__(self, *, lookup: Lookup = system_lookup) -> None:
        self._lookup = lookup
        self._routes: dict[tuple[str, Via], _Route] = {}
        self._pools: dict[tuple[Origin, Via], _Pool] = {}
        self._open: dict[Connection, _Pool] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._all_closed: asyncio.Future[None] | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        """Take the running loop; each destination's own bound limits its connections."""
        self._loop = asyncio.get_running_loop()
        self._connector = Connector(Resolver(self._lookup))
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close every connection; whatever is still being sent fails."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        if self._open:
            self._all_closed = self._loop.create_future()
            for connection in tuple(self._open):
                connection.abort()
            await self._all_closed

    async def send(self, request: Request) -> Outcome:
        """Send `request` and read the answer, all within its `timeout_s`. Never raises."""
        started_s = time.perf_counter()
        answer = Answer()
        try:
            route = self._routes.get((request.url, request.via)) or self._route(request)
            head = route.head(request)
            begun_s = self._loop.time()
            deadline_s = begun_s + request.timeout_s
            connection = route.pool.take(begun_s)
            if connection is not None:
                try:
                    await connection.exchange(head, request.body, answer, deadline_s)
                    return _reply(answer, started_s)
                except HungUp as fault:
                    # The race of HTTP/1.1's kept connections: the server closed this one as the
                    # request was on its way (RFC 9112 section 9.3.1). It cannot have read any of
                    # it, so this is no attempt; once, and on a connection of its own. In doubt
                    # it is a failed attempt, which is counted, told and spaced.
                    if answer.touched or fault.unread_bytes < len(head) + len(request.body):
                        raise
            connection = await self._opened(route.pool, deadline_s)
            await connection.exchange(head, request.body, answer, deadline_s)
            return _reply(answer, started_s)
        except Exception as error:  # noqa: BLE001 - classified below; a fault out there is a value here
            status = answer.status or None
            kind, message = classify(error, request.timeout_s, status)
            return Failure(kind, message, _since_ms(started_s), status)

    def forget(self) -> None:
        """Forget the URLs of a config that is no more; connections stay for who has the same."""
        self._routes.clear()

    def _route(self, request: Request) -> _Route:
        if len(self._routes) >= ROUTES_MAX:
            self._routes.clear()
        route = _Route(request.url, request.via, self._pools)
        self._routes[request.url, request.via] = route
        return route

    async def _opened(self, pool: _Pool, deadline_s: float) -> Connection:
        if self._closed:
            raise RuntimeError
        async with asyncio.timeout_at(deadline_s):
            connection = await self._connector.open(
                pool.origin, pool.via, lambda: Connection(self._loop, self._idle, self._lost)
            )
        self._open[connection] = pool
        if self._closed:
            connection.abort()
        return connection

    def _idle(self, connection: Connection) -> None:
        """Keep a connection for the next request to its origin."""
        now_s = self._loop.time()
        idle_s = KEEPALIVE_S
        if connection.idle_s is not None:  # a second less: the server's clock began earlier
            idle_s = min(idle_s, connection.idle_s - 1)
        pool = self._open.get(connection)
        if pool is None or idle_s <= 0:
            connection.abort()
            return
        pool.idle.append((now_s + idle_s, connection))
        if self._sweep is None:
            self._sweep = self._loop.call_later(KEEPALIVE_S, self._close_stale)

    def _close_stale(self) -> None:
        now_s = self._loop.time()
        self._sweep = None
        idle = False
        for pool in self._pools.values():
            pool.close_stale(now_s)
            idle = idle or bool(pool.idle)
        if idle:
            self._sweep = self._loop.call_later(KEEPALIVE_S, self._close_stale)

    def _lost(self, connection: Connection) -> None:
        pool = self._open.pop(connection, None)
        if pool is not None and pool.idle:
            pool.idle = [entry for entry in pool.idle if entry[1] is not connection]
        if self._all_closed is not None and not self._open:
            self._all_closed.set_result(None)


def _reply(answer: Answer, started_s: float) -> Reply:
    return Reply(
        answer.status,
        _kept_headers(answer.headers),
        answer.kept,
        _since_ms(started_s),
        answer.retry_after,
    )


def _kept_headers(headers: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return the response headers worth keeping: no secrets, bounded."""
    kept = without_secrets(headers)
    if sum(map(len, chain.from_iterable(kept))) <= HEADERS_MAX_CHARS:
        return tuple(kept)
    chars = 0
    for place, (name, value) in enumerate(kept):
        chars += len(name) + len(value)
        if chars > HEADERS_MAX_CHARS:
            return tuple(kept[:place])
    return tuple(kept)


def _since_ms(started_s: float) -> float:
    return round((time.perf_counter() - started_s) * 1000, 3)
