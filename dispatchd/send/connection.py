"""One connection: an exchange, then idle, then the next exchange.

Its rule: bytes are read as an answer only while an exchange is under way. Whatever else arrives
(a second answer, the rest of one, a greeting) closes the connection, so that nothing can be taken
for the answer to a request that was never received.
"""

import asyncio
import fcntl
import select
import socket
import struct
import termios
from collections.abc import Callable
from typing import Final, cast

from dispatchd.send.answer import Answer, BadAnswer

JOINED_MAX_BYTES: Final = 64 * 1024  # a body up to here goes out in one write with its headers
SLICE_BYTES: Final = 256 * 1024  # of a larger one at a time: encrypting it takes the loop's time
_INT: Final = struct.Struct("i")
READABLE: Final = select.POLLIN | select.POLLHUP | select.POLLERR


class HungUp(ConnectionError):  # noqa: N818 - it says what happened
    """The other side closed the connection before its answer was complete.

    `unread_bytes` is how much of what was written it has not acknowledged, the latest written
    last: no less than a whole request where no byte of that can have been read; 0 in doubt.
    """

    def __init__(self, unread_bytes: int = 0) -> None:
        super().__init__()
        self.unread_bytes = unread_bytes


class Connection(asyncio.Protocol):
    """A connection that is open; `exchange` uses it for one request and its answer.

    `on_idle` is called when an exchange has left it fit for another, `on_lost` when it is gone.
    """

    __slots__ = (
        "_answer",
        "_deadline_s",
        "_done",
        "_early",
        "_loop",
        "_on_idle",
        "_on_lost",
        "_paused",
        "_poll",
        "_timer",
        "_timer_s",
        "_transport",
        "_unsent",
        "idle_s",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_idle: Callable[["Connection"], None] | None = None,
        on_lost: Callable[["Connection"], None] | None = None,
    ) -> None:
        self._loop = loop
        self._on_idle = on_idle
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._poll: select.poll | None = None
        self._answer: Answer | None = None
        self._done: asyncio.Future[None] | None = None
        self._unsent: memoryview | None = None
        self._paused = False
        self._deadline_s = 0.0  # of the exchange under way, in the loop's time
        # One timer for many exchanges: where it ends too soon for the one under way, it goes on.
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = 0.0
        self._early = False  # bytes came before the transport: in a tunnel, with the handshake
        self.idle_s: float | None = None  # how long the server says it keeps it open

    # An exchange

    async def exchange(self, head: bytes, body: bytes, answer: Answer, deadline_s: float) -> None:
        """Send a request and read into `answer` until it is complete.

        `deadline_s` is in the loop's time. Raises TimeoutError, ConnectionError, OSError or
        BadAnswer; then the connection is closed.
        """
        transport = self._transport
        if transport is None:
            raise HungUp
        done = self._done = self._loop.create_future()
        self._answer = answer
        self._deadline_s = deadline_s
        if self._timer is None or self._timer_s > deadline_s:
            self._start_timer()
        try:
            if len(body) <= JOINED_MAX_BYTES:
                transport.write(head + body)
            else:
                self._unsent = memoryview(body)
                transport.write(head)
                self._send_more()
            await done
        finally:
            # By now the next exchange may have begun: only what is still ours was cancelled.
            if self._done is done:
                self._answer = self._done = None
                self.abort()

    def _start_timer(self) -> None:
        self._stop_timer()
        self._timer_s = self._deadline_s
        self._timer = self._loop.call_at(self._timer_s, self._timer_ended)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _timer_ended(self) -> None:
        self._timer = None
        if self._done is None:
            return
        if self._deadline_s > self._timer_s:
            self._start_timer()
        else:
            self._end(TimeoutError())

    def _send_more(self) -> None:
        unsent, transport = self._unsent, self._transport
        if unsent is None or transport is None or self._paused:
            return
        part = unsent[:SLICE_BYTES]
        self._unsent = unsent[SLICE_BYTES:] if len(unsent) > SLICE_BYTES else None
        transport.write(part)
        if self._unsent is not None and not self._paused:
            self._loop.call_soon(self._send_more)

    def _end(self, fault: Exception | None) -> None:
        """End the exchange, well or with a fault; keep the connection where that is safe."""
        answer, done, transport = self._answer, self._done, self._transport
        self._answer = self._done = None
        if done is None or answer is None:
            return
        if (
            fault is None
            and answer.reusable
            and self._on_idle is not None
            and self._unsent is None
            and transport is not None
            and not transport.is_closing()
            # An answer that came before its request was written whole ends the connection.
            and transport.get_write_buffer_size() == 0
        ):
            self.idle_s = answer.idle_s
            self._on_idle(self)
        else:
            self.abort()
        if not done.done():
            if fault is None:
                done.set_result(None)
            else:
                done.set_exception(fault)

    # Between exchanges

    def is_fit(self) -> bool:
        """Whether an idle connection may be used: open, and nothing has arrived on it.

        The loop may not have read yet what is there already, so the socket itself is asked.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(transport.get_extra_info("socket").fileno(), READABLE)
        return not self._poll.poll(0)

    def abort(self) -> None:
        """Close at once; what is unsent is lost, and an exchange under way fails."""
        if self._answer is not None:  # before the transport says so: our end completes no answer
            self._end(HungUp())
        self._unsent = None
        if self._transport is not None:
            self._transport.abort()

    def detach(self) -> asyncio.Transport:
        """Give the transport away, for TLS to be put on it. Raises HungUp."""
        transport, self._transport = self._transport, None
        if transport is None:
            raise HungUp
        self._stop_timer()  # it hears no more of the transport, nor that it is gone
        return transport

    # What the transport says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)
        if self._early:
            self.abort()

    def data_received(self, data: bytes) -> None:
        """Read bytes into the answer they belong to; close where they belong to none."""
        answer = self._answer
        if answer is None:
            self._early = True
            self.abort()
            return
        try:
            complete = answer.feed(data)
        except BadAnswer as error:
            self._end(error)
        else:
            if complete:
                self._end(None)

    def eof_received(self) -> None:
        """Take the other side's end; the transport closes itself then."""
        self._ended(None, self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """End what was under way."""
        transport, self._transport = self._transport, None
        self._ended(exc, transport)
        self._unsent = None
        self._stop_timer()
        if self._on_lost is not None:
            self._on_lost(self)

    def _ended(self, exc: Exception | None, transport: asyncio.Transport | None) -> None:
        answer = self._answer
        if answer is None:
            return
        if exc is None and answer.eof():
            self._end(None)
        else:
            self._end(exc or HungUp(self._unread_bytes(transport) if transport is not None else 0))

    def _unread_bytes(self, transport: asyncio.Transport) -> int:
        """Return how much of what was written the other side had not got when it closed.

        The end of a TCP stream acknowledges what had arrived by then (RFC 9293 section 3.4), and
        nothing that arrives later at a closed socket is: so what is unacknowledged is unread.
        Only in an orderly close: a reset acknowledges nothing, whatever has been read.
        """
        queued = transport.get_write_buffer_size() + len(self._unsent or b"")
        sock = transport.get_extra_info("socket")
        try:
            if sock.family == socket.AF_UNIX:
                return 0  # it counts its own way
            found = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(_INT.size))
        except (OSError, ValueError):
            return 0
        return queued + int(_INT.unpack(found)[0])

    def pause_writing(self) -> None:
        """Wait: the other side reads slower than we write."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on."""
        self._paused = False
        self._send_more()
