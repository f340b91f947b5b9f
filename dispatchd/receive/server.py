"""The HTTP server under the receiver: aiohttp's, with the contract's errors and our bounds."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from dispatchd.frozen import frozen
from dispatchd.listen import listening
from dispatchd.log import Log
from dispatchd.receive.answers import HttpAnswer, Refusal, refused
from dispatchd.receive.connections import Connections

Handler = Callable[[web.BaseRequest], Awaitable[HttpAnswer]]
Spelled = Callable[[Refusal], HttpAnswer]

REFUSED_LOG_S: Final = 1.0  # a flood of connections makes one line in this time
HEAD_MAX_BYTES: Final = 64 * 1024  # of a head that is still not whole
# A read of 64 KiB in chunks of one byte keeps the parser for 30 ms.
SLICE_BYTES: Final = 8 * 1024
LINES_AT_ONCE: Final = 1024
AGAIN_S: Final = 0.02
FIRST_S: Final = 1.0  # at the end, a connection that just came may take so long for its first byte


@frozen
class Timeouts:
    """How long a client may take, in s: with a request's head, and between requests."""

    head_s: float = 15.0
    keepalive_s: float = 75.0


class _Protocol(RequestHandler):
    """aiohttp's connection handler; what cannot be parsed gets our JSON error, and a quiet log.

    aiohttp waits for ever for a head that never ends; here it must be whole in `head_s` from
    the connection's start or its first byte.
    """

    __slots__ = (
        "_answered",
        "_counted_as",
        "_ended",
        "_head_bytes",
        "_head_timer",
        "_last_body",
        "_server",
        "_slice_is_due",
        "_unfed",
    )
    _server: "_Server"
    _answered: int
    _counted_as: str | None
    _ended: bool
    _head_bytes: int
    _head_timer: asyncio.TimerHandle | None
    _last_body: StreamReader | None
    _slice_is_due: bool
    _unfed: bytearray

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the connection in, or answer that there are too many."""
        self._head_timer = None
        self._head_bytes = 0
        self._answered = 0
        self._ended = False
        self._last_body = None
        self._slice_is_due = False
        self._unfed = bytearray()
        peer = transport.get_extra_info("peername")
        client = peer[0] if isinstance(peer, tuple) and peer else None
        self._counted_as = self._server.counted.enter(client)
        if self._counted_as is not None:
            super().connection_made(transport)
            self._server.live.add(self)
            self._wait_for_head()
        else:
            self._server.refused()
            cast("asyncio.Transport", transport).write(self._server.too_many)
            transport.close()
            self._force_close = True  # what it sends is not read

    def connection_lost(self, exc: BaseException | None) -> None:
        """Make room for another."""
        if self._head_timer is not None:
            self._head_timer.cancel()
        if self._counted_as is not None:
            self._server.counted.leave(self._counted_as)
            self._counted_as = None
            super().connection_lost(exc)
            self._server.left(self)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, in slices where a read is all lines: each chunk of a body costs it."""
        if not data:  # aiohttp lets its parser go on with what it has
            self._feed(data)
        elif self._unfed or (len(data) > SLICE_BYTES and data.count(b"\r\n") > LINES_AT_ONCE):
            self._unfed += data
            self._pause_transport_reading()
            self._slice_soon()
        else:
            self._feed(data)

    def _slice_soon(self) -> None:
        if not self._slice_is_due:
            self._slice_is_due = True
            self._loop.call_soon(self._feed_slice)

    def _feed_slice(self) -> None:
        """Feed a part, then let the loop have its turn."""
        self._slice_is_due = False
        if self.transport is None or self._reading_paused or self._buffer_paused:
            return  # who holds it back says when to go on
        data = bytes(self._unfed[:SLICE_BYTES])
        del self._unfed[:SLICE_BYTES]
        self._feed(data)
        if not (self._reading_paused or self._buffer_paused):
            self._resume_transport_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Read on where that was paused; aiohttp asks for each chunk of a body that is taken."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def _resume_transport_reading(self) -> None:
        """Read on, but not before what has been read is fed: aiohttp resumes by this alone."""
        if self._unfed:
            self._slice_soon()
        else:
            super()._resume_transport_reading()

    def _feed(self, data: bytes) -> None:
        """Feed the parser, and watch a head that does not end."""
        if self._head_bytes > HEAD_MAX_BYTES:
            return  # it is refused once the answer before it is written
        is_body, begun = self._is_unfinished(), self._request_count
        super().data_received(data)
        if self._request_count != begun:  # a head is whole
            self._last_body = self._messages[-1][1]
            self._head_bytes = 0
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None
        elif data and not (is_body or self._upgraded or self._buffer_paused):
            self._head_bytes += len(data)
            self._bound_head()

    def _bound_head(self) -> None:
        if self._answered < self._request_count:
            return  # what is under way is answered first
        if self._head_bytes > HEAD_MAX_BYTES:
            self._refuse_head(431, "headers_too_large", "the headers are too large")
        elif self._head_timer is None:
            self._wait_for_head()

    def eof_received(self) -> bool:  # type: ignore[override]  # aiohttp's says nothing: it closes
        """Let a client that has ended its side have its answers, where its requests are whole."""
        if self._is_at_rest() or not self._request_count or self._is_unfinished():
            return False
        self._ended = True
        self._loop.call_later(AGAIN_S, self._close_unless_under_way)
        return True

    def _is_at_rest(self) -> bool:
        waiter = self._waiter
        return waiter is not None and not waiter.done()

    def _is_unfinished(self) -> bool:
        """Whether the last request that has begun lacks some of its body."""
        return self._last_body is not None and not self._last_body.is_eof()

    def _close_unless_under_way(self) -> None:
        """Close where no answer will: the rest of a body or of a head will never come."""
        answering = self._current_request is not None or self._messages
        if self.transport is not None and (not answering or self._is_unfinished()):
            self.transport.close()

    def _wait_for_head(self) -> None:
        self._head_timer = self._loop.call_later(self._server.timeouts.head_s, self._head_late)

    def _head_late(self) -> None:
        self._head_timer = None
        self._refuse_head(408, "timeout", "the headers did not come in time")

    def _refuse_head(self, status: int, code: str, message: str) -> None:
        if self.transport is not None:
            self.transport.write(self._server.spelled(Refusal(status, code, message)).unasked())
            self.force_close()

    @property
    def client_ended(self) -> bool:
        """Whether the client has ended its side."""
        return self._ended

    def leave(self) -> None:
        """Close once nothing is under way: the server takes no more connections.

        A request that has begun is read and answered. Who came and has sent nothing yet gets a
        moment; a connection at rest between requests none.
        """
        if self._current_request is not None or self._messages or self._head_bytes:
            return  # its answer closes it
        if self._request_count == 0:
            self._loop.call_later(FIRST_S, self._leave_if_at_rest)
        elif not self._leave_if_at_rest():
            self._loop.call_later(AGAIN_S, self.leave)  # an answer is just being written

    def _leave_if_at_rest(self) -> bool:
        if self.transport is None:
            return True
        if not self._is_at_rest() or self._head_bytes:
            return False
        self.force_close()
        return True

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Write an answer; the last one on its connection once either side closes."""
        if (self._ended or self._server.closing) and not self._messages:
            resp.force_close()
        finished = await super().finish_response(request, resp, start_time)
        self._answered += 1
        if self._head_bytes:
            self._bound_head()  # of the next, which has begun meanwhile
        return finished

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - may quote the request, secrets included
    ) -> web.StreamResponse:
        """Answer a request that could not be parsed (4xx) or that we failed (500)."""
        if request.writer.output_size > 0:
            raise ConnectionError("the response has begun: no other can be sent")
        if status >= 500:  # noqa: PLR2004
            self._server.log.error("internal_error", error=repr(exc))
            code, text = "internal_error", "internal error"
        elif isinstance(exc, LineTooLong):
            status, code, text = 431, "headers_too_large", "a header or the URL is too large"
        else:
            code, text = "bad_request", "the request is not valid HTTP"
        answer: Any = self._server.spelled(Refusal(status, code, text, close=True))
        return cast("web.StreamResponse", answer)  # all of one that aiohttp asks for


class _Server(web.Server):
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
        self.live: set[_Protocol] = set()
        self.closing = False
        self._all_left = asyncio.Event()
        self._refused = 0

    def __call__(self) -> RequestHandler:
        protocol = _Protocol(
            self,
            loop=self._loop,
            access_log=None,  # type: ignore[arg-type]  # aiohttp: falsy is off; we log ourselves
            keepalive_timeout=self.timeouts.keepalive_s,
            auto_decompress=False,  # signatures cover the bytes as sent; and no bombs
            lingering_time=2.0,  # for a body we will not read, e.g. after a 413
        )
        protocol._server = self  # noqa: SLF001 - our own subclass
        return protocol

    def left(self, protocol: _Protocol) -> None:
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


def hung_up(request: web.BaseRequest) -> bool:
    """Whether a client has gone while it is answered, or has ended its side and may have."""
    transport, protocol = request.transport, request.protocol
    if transport is None or transport.is_closing():
        return True
    return isinstance(protocol, _Protocol) and protocol.client_ended


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
    return _Server(
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
    if not isinstance(server, _Server):
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
