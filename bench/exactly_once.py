"""Every event once, and nothing left over: 200 lanes, a sink that fails, bursts and replays.

    python bench/exactly_once.py [--deliveries 1000000] [--lanes 200] [--failing 0.3] [--directory DIR]

No speed is judged. The sink answers a share of the requests with 500 (retried after 1 s); bursts
of events go to all lanes at once, and now and then some are replayed while they are under way.
In the end each delivery must have been answered 200 exactly once, and once more for each replay
that found it ended; no attempt may be missing on disk, and no delivery left over.
"""

import argparse
import asyncio
import random
import sqlite3
import time
from collections import Counter
from pathlib import Path

from load import SECRET, SLUG
from machine import RefusedError
from servers import LOAD_CORE, Server, free_port

__all__ = ["LOAD_CORE"]

BURST = 50  # events at once
WINDOW = 60_000  # deliveries owed at once, at most


class Sink:
    """Counts the 200s it gave to each delivery; fails a share of the requests."""

    def __init__(self, failing: float) -> None:
        self.good: Counter[bytes] = Counter()
        self.requests = 0
        self._failing = failing
        self._random = random.Random(1)

    async def start(self) -> int:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _SinkProtocol(self), "127.0.0.1", 0, backlog=4096)
        return int(server.sockets[0].getsockname()[1])

    def answer(self, key: bytes) -> bytes:
        self.requests += 1
        if self._random.random() < self._failing:
            return b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
        self.good[key] += 1
        return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class _SinkProtocol(asyncio.Protocol):
    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            lower = head.lower()
            length = int(lower.partition(b"content-length:")[2].split(b"\r\n")[0])
            if len(self._buffer) < end + 4 + length:
                return
            self._buffer = self._buffer[end + 4 + length :]
            lane = head.split(b" ", 2)[1]
            event = lower.partition(b"x-dispatch-event-id:")[2].split(b"\r\n")[0].strip()
            self._transport.write(self._sink.answer(event + lane))  # type: ignore[attr-defined]


def config_text(port: int, sink_port: int, database: Path, lanes: int) -> str:
    names = [f"d{n}" for n in range(lanes)]
    rows = "\n".join(
        f"  {name}: {{url: 'http://127.0.0.1:{sink_port}/{name}', max_in_flight: 4,"
        " retry: {max_attempts: 100, backoff: [1s], jitter: 0.2}}"
        for name in names
    )
    return (
        f"server: {{listen: 127.0.0.1:{port}}}\nstorage: {{url: 'sqlite:///{database}'}}\n"
        f"endpoints:\n  {SLUG}: {{secret: {SECRET}, destinations: [{', '.join(names)}]}}\n"
        f"destinations:\n{rows}\n"
    )


def ask(database: Path, sql: str, *values: object) -> list[tuple[int, ...]]:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=60)
    try:
        return connection.execute(sql, values).fetchall()
    finally:
        connection.close()


OPEN = "SELECT count(*) FROM deliveries WHERE status IN ('queued', 'retrying')"


def replay(database: Path, count: int) -> None:
    """Start some of the newest deliveries afresh, ended or not, as the command line does."""
    connection = sqlite3.connect(database, timeout=60, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "UPDATE deliveries SET status = 'queued', due_ms = 0, attempts_before = attempts,"
            " replays = replays + 1 WHERE (event_id, destination) IN (SELECT event_id, destination"
            " FROM deliveries ORDER BY event_id DESC LIMIT ? OFFSET 500)",
            (count,),
        )
        connection.execute("COMMIT")
    finally:
        connection.close()


async def run(base: Path, arguments: argparse.Namespace) -> None:
    from load import Requests, post_all  # noqa: PLC0415 - made for this benchmark alone

    sink = Sink(arguments.failing)
    sink_port = await sink.start()
    port, database, config = free_port(), base / "once.db", base / "config.yaml"
    config.write_text(config_text(port, sink_port, database, arguments.lanes))
    with Server.daemon(config, port, base / "log.txt") as server:
        started = time.monotonic()
        events = 0
        wanted = arguments.deliveries // arguments.lanes
        while events < wanted:
            await post_all(port, Requests(BURST))
            events += BURST
            if events % (BURST * 20) == 0:
                await asyncio.to_thread(replay, database, 300)
            while (await asyncio.to_thread(ask, database, OPEN))[0][0] > WINDOW:
                await asyncio.sleep(0.5)
        deadline = time.monotonic() + 600
        while (left := (await asyncio.to_thread(ask, database, OPEN))[0][0]) > 0:
            if time.monotonic() > deadline:
                raise RefusedError(f"{left} deliveries are left over")
            await asyncio.sleep(0.5)
        seconds = time.monotonic() - started
        memory = server.memory_mb("VmHWM")
