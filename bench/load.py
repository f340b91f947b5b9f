"""The load: prebuilt signed requests over keep-alive connections, closed loop or open loop.

Raw protocols and prebuilt bytes, so that one core of load saturates one core of server.
"""

import asyncio
import hashlib
import hmac
import json
import random
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from machine import RefusedError

SECRET = "bench-secret"
SLUG = "bench"
BODIES = 256
CONNECTIONS = 64
WARM_UP_S = 1.0
BODY_BYTES = 1024
SATURATED = 0.9  # of a core: above this the generator may be what was measured


@dataclass(slots=True)
class Acked:
    """One event that was answered 202. Times are CLOCK_MONOTONIC in s."""

    event_id: str
    sent: float
    acked: float
    scheduled: float


@dataclass(slots=True)
class Outcome:
    acked: list[Acked] = field(default_factory=list)
    refused: dict[int, int] = field(default_factory=dict)  # status -> answers that were no 202
    started: float = 0.0
    ended: float = 0.0
    cpu_share: float = 0.0

    @property
    def rate(self) -> float:
        return len(self.acked) / (self.ended - self.started)

    def generator(self) -> str:
        note = " SATURATED" if self.saturated else ""
        return f"generator CPU {self.cpu_share:.0%}{note}"

    @property
    def saturated(self) -> bool:
        return self.cpu_share > SATURATED

    @property
    def doubts(self) -> list[str]:
        return ["the generator was saturated, so it was measured"] if self.saturated else []

    @property
    def ids(self) -> set[str]:
        return {one.event_id for one in self.acked}

    def require_clean(self) -> None:
        if self.refused:
            raise RefusedError(f"answers other than 202, by status: {self.refused}")
        if not self.acked:
            raise RefusedError("nothing was acknowledged")
        if len(self.ids) < len(self.acked):
            again = len(self.acked) - len(self.ids)
            raise RefusedError(f"{again} answers named an event that another had named")


def merged(outcomes: Sequence[Outcome]) -> Outcome:
    """Slices of one measurement as one; the time between them does not count."""
    spans = [one.ended - one.started for one in outcomes]
    whole = Outcome(ended=sum(spans))
    for one, span in zip(outcomes, spans, strict=True):
        whole.acked += one.acked
        whole.cpu_share += one.cpu_share * span / sum(spans)
    return whole


def bodies() -> list[bytes]:
    """A few hundred distinct JSON documents of about 1 KB."""
    roll = random.Random(7)
    made = []
    for number in range(BODIES):
        document = {
            "action": "opened",
            "number": number,
            "issue": {"title": f"Bug report {number}", "labels": ["bug", "webhook"]},
            "sender": {"login": f"user-{number}", "id": roll.randrange(10**9)},
        }
        fill = BODY_BYTES - len(json.dumps(document)) - len(', "text": ""')
        document["text"] = "".join(roll.choices("abcdefghij klmnop", k=fill))
        made.append(json.dumps(document).encode())
    return made


def requests(port: int, provider: str = "generic", slug: str = SLUG) -> list[tuple[bytes, bytes]]:
    """Each in two parts: where the second is not empty, a delivery id goes between them."""
    made = []
    for body in bodies():
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        head = (
            f"POST /hooks/{slug} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            f"X-Hub-Signature-256: sha256={signature}\r\nUser-Agent: bench\r\n"
        ).encode()
        if provider == "github":
            before = head + b"X-GitHub-Event: issues\r\nX-GitHub-Delivery: "
            made.append((before, b"\r\n\r\n" + body))
        else:
            made.append((head + b"\r\n" + body, b""))
    return made


class _Connection(asyncio.Protocol):
    """One keep-alive connection with one request on its way at a time."""

    def __init__(self, load: "_Load") -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._sent = self._scheduled = 0.0
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass

    def send(self, request: bytes, scheduled: float | None = None) -> None:
        assert self._transport is not None
        self._busy = True
        self._sent = time.monotonic()
        self._scheduled = self._sent if scheduled is None else scheduled
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            self._buffer = buffer
            return
        mark = buffer.lower().find(b"content-length:", 0, end)
        length = int(buffer[mark + 15 : buffer.index(b"\r\n", mark)]) if mark >= 0 else 0
        if len(buffer) < end + 4 + length:
            self._buffer = buffer
            return
        self._buffer = b""
        self._busy = False
        now = time.monotonic()
        status = int(buffer[9:12])
        if status == 202:
            event_id = json.loads(buffer[end + 4 :])["event_id"]
            self._load.outcome.acked.append(Acked(event_id, self._sent, now, self._scheduled))
        else:
            refused = self._load.outcome.refused
            refused[status] = refused.get(status, 0) + 1
        self._load.answered(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._load.lost(busy=self._busy)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class _Load:
    """A pool of connections. A lost connection with a request on its way spoils the run."""

    def __init__(
        self, port: int, connections: int, provider: str = "generic", slug: str = SLUG
    ) -> None:
        self.outcome = Outcome()
        self._port = port
        self._count = connections
        self._requests = requests(port, provider, slug)
        self._next = 0
        self._first_id = time.time_ns()  # no two loads on one database share a delivery id
        self._on_way = 0
        self._closing = False
        self._done = asyncio.Event()
        self._pool: list[_Connection] = []

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(self._count):
            _, peer = await loop.create_connection(
                lambda: _Connection(self), "127.0.0.1", self._port
            )
            self._pool.append(peer)

    def give(self, connection: _Connection, scheduled: float | None = None) -> None:
        request, rest = self._requests[self._next % BODIES]
        if rest:
            request = b"%s%d%s" % (request, self._first_id + self._next, rest)
        self._next += 1
        self._on_way += 1
        connection.send(request, scheduled)

    def answered(self, connection: _Connection) -> None:
        raise NotImplementedError

    def landed(self) -> None:
        self._on_way -= 1
        if self._closing and self._on_way == 0:
            self._done.set()

    def lost(self, *, busy: bool) -> None:
        if busy:
            self.outcome.refused[0] = self.outcome.refused.get(0, 0) + 1
            self.landed()

    async def finish(self, cpu_start: float) -> Outcome:
        """Wait for the answers on their way, then close the connections."""
        self._closing = True
        if self._on_way:
            async with asyncio.timeout(60):
                await self._done.wait()
        outcome = self.outcome
        outcome.ended = time.monotonic()
        outcome.cpu_share = (time.process_time() - cpu_start) / (outcome.ended - outcome.started)
        for connection in self._pool:
            connection.close()
        return outcome


class _Closed(_Load):
    stop_at = 0.0

    def answered(self, connection: _Connection) -> None:
        self.landed()
        if time.monotonic() < self.stop_at:
            self.give(connection)

    def start(self) -> None:
        for connection in self._pool:
            self.give(connection)


class _Counted(_Load):
    """A number of requests, as fast as they are answered."""

    left = 0

    def answered(self, connection: _Connection) -> None:
        if self.left:
            self.left -= 1
            self.give(connection)
        self.landed()

    def start(self) -> None:
        for connection in self._pool:
            self.left -= 1
            self.give(connection)


class _Open(_Load):
    """Requests leave on schedule; one without a free connection waits, and its wait counts."""

    def __init__(self, port: int, connections: int, provider: str) -> None:
        super().__init__(port, connections, provider)
        self._free: deque[_Connection] = deque()
        self._waiting: deque[float] = deque()

    def start(self) -> None:
        self._free.extend(self._pool)

    def answered(self, connection: _Connection) -> None:
        self.landed()
        if self._waiting:
            self.give(connection, self._waiting.popleft())
        else:
            self._free.append(connection)

    def fire(self, scheduled: float) -> None:
        if self._free:
            self.give(self._free.popleft(), scheduled)
        else:
            self._waiting.append(scheduled)

    async def drained(self) -> None:
        async with asyncio.timeout(60):
            while self._waiting:
                await asyncio.sleep(0.01)


async def closed_loop(
    port: int,
    *,
    seconds: float,
    connections: int = CONNECTIONS,
    provider: str = "generic",
    slug: str = SLUG,
) -> Outcome:
    """Every connection sends its next request as soon as the last was answered."""
    load = _Closed(port, connections, provider, slug)
    await load.connect()
    cpu = time.process_time()
    load.outcome.started = time.monotonic()
    load.stop_at = load.outcome.started + seconds
    load.start()
    await asyncio.sleep(seconds)
    return await load.finish(cpu)


async def burst(port: int, events: int, *, slug: str = SLUG) -> Outcome:
    """So many events at once: each over the first connection that is free."""
    load = _Counted(port, min(events, CONNECTIONS), slug=slug)
    load.left = events
    await load.connect()
    cpu = time.process_time()
    load.outcome.started = time.monotonic()
    load.start()
    return await load.finish(cpu)


async def open_loop(
    port: int,
    *,
    rate: float,
    seconds: float,
    connections: int = CONNECTIONS,
    provider: str = "generic",
) -> Outcome:
    """One request every 1/rate s whatever the answers do; late ones count from their time."""
    load = _Open(port, connections, provider)
    await load.connect()
    load.start()
    cpu = time.process_time()
    start = load.outcome.started = time.monotonic()
    for number in range(int(rate * seconds)):
        scheduled = start + number / rate
        delay = scheduled - time.monotonic()
        if delay > 0:
            await asyncio.sleep(delay)
        load.fire(scheduled)
    await load.drained()
    return await load.finish(cpu)
