"""One connection: aiohttp's, with the contract's errors, our bounds, and fewer steps a request."""

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast

from aiohttp import StreamReader, web
from aiohttp.http import RawRequestMessage, StreamWriter
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import ERROR, RequestHandler

from dispatchd.receive.answers import HttpAnswer, Refusal

if TYPE_CHECKING:
    from dispatchd.receive.server import Server

HEAD_MAX_BYTES: Final = 64 * 1024  # of a head that is still not whole
# A read of 64 KiB in chunks of one byte keeps the parser for 30 ms.
SLICE_BYTES: Final = 8 * 1024
LINES_AT_ONCE: Final = 1024
AGAIN_S: Final = 0.02
FIRST_S: Final = 1.0  # at the end, a connection that just came may take so long for its first byte
UNREAD_S: Final = 30.0  # how long a client may leave its answers unread, once there are many
LINGER_S: Final = 2.0  # for a body that is not read, e.g. after a 413
WRITE_AT_ONCE_MAX_BYTES: Final = 64 * 1024  # more waits until the client has read of it


class Connection(RequestHandler):
    """aiohttp's connection handler; what cannot be parsed gets our JSON error, and a quiet log.

    aiohttp waits for ever for a head that never ends; here it must be whole in `head_s` from
    the connection's start or its first byte. aiohttp makes a task of each request; here the
    connection's own answers them all, which spares two turns of the loop.
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
    _server: "Server"
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

    async def start(self) -> None:
        """Answer one request after the other, until either side closes."""
        while not self._force_close:
            if not self._messages:
                await self._next_request()
            message, body = self._messages.popleft()
            try:
                may_go_on = await self._exchange(message, body)
            except (ConnectionError, web.RequestPayloadError):  # the client went away
                break
            except Exception as error:  # noqa: BLE001 - a fault of ours ends this connection alone
                # Its words may hold what was to be written.
                self._server.log.error("internal_error", error=type(error).__name__)
                self.force_close()
            except BaseException:
                self.force_close()
                raise
            else:
                if not may_go_on:
                    break
                self._rest()
        if not self._force_close:
            self._task_handler = None
            if self.transport is not None:
                self.transport.close()

    async def _next_request(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _rest(self) -> None:
        """Close when no other request comes for a while. One timer serves many."""
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(
                self._next_keepalive_close_time, self._process_keepalive
            )

    async def _exchange(self, message: Any, body: StreamReader) -> bool:
        """Answer one request; whether another may come."""
        if self._parser is not None:  # it is gone with the connection
            self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()
        handler: Any = self._request_handler
        if not isinstance(message, RawRequestMessage):
            handler, message = self._make_error_handler(message), ERROR
        manager, factory, task = self._manager, self._request_factory, self._task_handler
        if manager is None or factory is None or task is None:  # gone, with this still to read
            return False
        manager.requests_count += 1
        request = factory(message, body, self, StreamWriter(self, self._loop), task)
        answer, is_lost = await self._handle_request(request, None, handler)
        if is_lost:
            return False
        self._keepalive = bool(answer.keep_alive)
        if not body.is_eof():
            await self._linger(body)
        if self._messages:  # what needs no waiting would keep everybody else waiting
            await asyncio.sleep(0)
        return self._keepalive and not (self._close or self._force_close)

    async def _linger(self, body: StreamReader) -> None:
        """Read on: a connection closed with bytes unread would take our answer away."""
        try:
            async with asyncio.timeout(LINGER_S):
                while not (body.is_eof() or self._force_close):
                    await body.readany()
        except TimeoutError:
            self.close()

    async def _handle_request(
        self, request: web.BaseRequest, start_time: float | None, request_handler: Any
    ) -> tuple[Any, bool]:
        """Have a request handled, and write the answer; also say whether nobody is there for it."""
        self._request_in_progress = True
        try:
            self._current_request = request
            try:
                answer = await request_handler(request)
            except Exception as error:  # noqa: BLE001 - aiohttp knows what becomes of which
                return await super()._handle_request(request, start_time, _raising(error))
            finally:
                self._current_request = None
            return await self.finish_response(request, answer, start_time)
        finally:
            self._request_in_progress = False
            if self._handler_waiter is not None and not self._handler_waiter.done():
                self._handler_waiter.set_result(None)

    async def finish_response(
        self, request: web.BaseRequest, resp: Any, start_time: float | None
    ) -> tuple[Any, bool]:
        """Write an answer; the last one on its connection once either side closes."""
        if (self._ended or self._server.closing) and not self._messages:
            resp.force_close()
        ours = resp if isinstance(resp, HttpAnswer) else None
        try:
            if ours is None or self._upgraded or len(ours.body) > WRITE_AT_ONCE_MAX_BYTES:
                resp, is_lost = await super().finish_response(request, resp, start_time)
            else:
                transport = self.transport
                is_lost = transport is None or transport.is_closing()
                if transport is not None and not is_lost:
                    transport.write(ours.spelled(request))
        finally:
            if ours is not None and ours.then is not None:
                ours.then()
        self._answered += 1
        if self._head_bytes:
            self._bound_head()  # of the next, which has begun meanwhile
        if self._paused:
            await self._drained()
        return resp, is_lost

    async def _drained(self) -> None:
        """Wait until the client has read of its answers; one that does not is cut off."""
        try:
            async with asyncio.timeout(UNREAD_S):
                await self._drain_helper()
        except TimeoutError:
            if self.transport is not None:
                self.transport.abort()  # to close would wait for it to read

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


def _raising(error: Exception) -> Any:
    async def handler(_: web.BaseRequest) -> web.StreamResponse:
        raise error

    return handler


def hung_up(request: web.BaseRequest) -> bool:
    """Whether a client has gone while it is answered, or has ended its side and may have."""
    transport, protocol = request.transport, request.protocol
    if transport is None or transport.is_closing():
        return True
    return isinstance(protocol, Connection) and protocol.client_ended
