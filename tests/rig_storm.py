"""Trouble at random, and what must hold after it: a daemon in a process, its moody destinations."""

import asyncio
import random
import signal
import sqlite3
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from locks import write_lock
from rig import SECRET
from rig_process import ProcessDaemon

from dispatchd.model import HoldKind
from dispatchd.store import Store, store_from_url
from dispatchd.store.jobs import ReplayQuery
from dispatchd.store.sqlite.rows import from_key

STEADY = ("plain", "ordered", "turning", "limited", "breaking")  # of the first and the last config
COMING = "coming"
NAMES = (*STEADY, COMING)
RESUMABLE = (HoldKind.PAUSED, HoldKind.BREAKER, HoldKind.GONE)
MOODS = ("well", "failing", "slow", "hanging", "throttling", "resetting", "mixed", "mixed")
SENDERS = 3
# Less than the 30 s after which a lane looks in any case: a wake-up that was missed fails.
STILL_MAX_S = 20.0


@dataclass
class Seen:
    """A request that arrived. `run` counts the daemon's processes, `status` is what it was told."""

    name: str
    event: str
    number: int
    run: int
    status: int | None = None


class Storm:
    """One daemon, and trouble that `seed` chooses. `rage`, then `calm`, then `problems`."""

    def __init__(self, seed: int, directory: Path) -> None:
        self.rng = random.Random(seed)
        self.database = directory / "dispatchd.db"
        self._config = directory / "config.yaml"
        self.daemon = ProcessDaemon(self._config, self.database)
        self.acked: list[str] = []
        self.seen: list[Seen] = []
        self.did: list[str] = []
        self._moods = dict.fromkeys(NAMES, "well")
        self._run = 0
        self._killed: set[int] = set()  # runs that did not end by themselves
        self._serving, self._over = asyncio.Event(), asyncio.Event()
        self._kinder = asyncio.Event()  # ends all that hangs
        self._told: list[dict[str, Any]] = []

    # The destinations

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        headers = request.headers
        event, number = headers["X-Dispatch-Event-ID"], int(headers["X-Dispatch-Attempt"])
        seen = Seen(request.path[1:], event, number, self._run)
        self.seen.append(seen)
        mood = self._moods[seen.name]
        if mood == "mixed":
            mood = self.rng.choice(MOODS[:3])
        if mood == "slow":
            await asyncio.sleep(self.rng.uniform(0, 0.2))
        if mood == "hanging":
            await self._kinder.wait()
        if mood == "resetting" and request.transport is not None:
            request.transport.abort()
            return web.Response()
        seen.status = {"failing": 500, "throttling": 429}.get(mood, 200)
        return web.Response(status=seen.status, headers={"Retry-After": "1"})

    # The daemon and its config

    async def serve(self) -> None:
        server = web.ServerRunner(web.Server(self.handle), shutdown_timeout=0.1)
        await server.setup()
        await web.TCPSite(server, "127.0.0.1", 0).start()
        self._server, self._url = server, f"http://127.0.0.1:{server.addresses[0][1]}"
        self.write(last=True)
        await self._start()

    async def end(self) -> None:
        self._kinder.set()
        await self.daemon.kill()
        await self._server.cleanup()

    def write(self, *, last: bool) -> None:
        """Write another config; the `last` one has every destination."""
        choose = self.rng.choice
        options = {
            "plain": f"max_in_flight: {choose([1, 16])}",
            "ordered": "ordered: true",
            "turning": choose(["ordered: true", "max_in_flight: 4"]),
            "limited": f"max_in_flight: 2, rate_limit: {choose([200, 1000])}/s",
            "breaking": "breaker: {open_after: 3, probe_every: 1s, max_probe_every: 1s}",
        }
        if last or choose([True, False]):
            options[COMING] = "max_in_flight: 2"
        if not last and choose([True, False, False]):
            del options[choose(STEADY)]
        retry = "retry: {max_attempts: 100, jitter: 0, backoff: [10ms, 100ms, 300ms]}"
        lines = [
            "server: {listen: '127.0.0.1:0'}",
            f"storage: {{url: 'sqlite:///{self.database}', min_free: 0B}}",
            f"endpoints: {{my-slug: {{secret: {SECRET}, destinations: [{', '.join(options)}]}}}}",
            "destinations:",
            *(
                f"  {name}: {{url: '{self._url}/{name}', timeout: 1s, {retry}, {option}}}"
                for name, option in options.items()
            ),
        ]
        fresh = self._config.with_suffix(".new")
        fresh.write_text("\n".join(lines))
        fresh.replace(self._config)

    async def _start(self) -> None:
        await self.daemon.start()
        self._serving.set()

    def _gone(self) -> None:
        self._told += self.daemon.log.lines
        self._run += 1
        self.daemon.check_database()

    # The trouble

    async def rage(self, steps: int) -> None:
        """Make trouble under load."""
        senders = [asyncio.create_task(self._send()) for _ in range(SENDERS)]
        often = [self._reload, self._reload, self._pause, self._replay, self._upset, self._upset]
        ends = [self._kill, self._terminate]  # each once, for a start takes its time
        self.rng.shuffle(ends)
        for step in range(steps):
            trouble: Callable[[], Awaitable[None]] = self.rng.choice([*often, self._lock])
            if step % (steps // 2) == steps // 4:
                trouble = ends.pop()
            self.did.append(trouble.__name__)
            await trouble()
            await asyncio.sleep(self.rng.choice([0, 0.1, 0.3]))
        self._over.set()
        await asyncio.gather(*senders)

    async def _send(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(10)) as http:
            while not self._over.is_set():
                await self._serving.wait()
                body = b'{"pad":"%s"}' % (b"x" * self.rng.choice([0, 0, 3000, 60_000]))
                with suppress(aiohttp.ClientError, OSError, TimeoutError):  # it may be gone
                    status, document, _ = await self.daemon.post(http, body)
                    assert status in (202, 503), document
                    if status == 202:
                        self.acked.append(document["event_id"])
                await asyncio.sleep(self.rng.uniform(0, 0.03))

    async def _kill(self) -> None:
        self._serving.clear()
        self._killed.add(self._run)
        await self.daemon.kill()
        self._gone()
        await self._start()

    async def _terminate(self) -> None:
        self._serving.clear()
        assert await self.daemon.terminate() == 0
        if self.daemon.log.of("drain_cut"):
            self._killed.add(self._run)
        self._gone()
        self.write(last=False)
        await self._start()

    async def _reload(self) -> None:
        for _ in range(self.rng.choice([1, 3])):
            self.write(last=False)
            self.daemon.process.send_signal(signal.SIGHUP)
            await asyncio.sleep(self.rng.choice([0.02, 0.3]))

    async def _pause(self) -> None:
        name = self.rng.choice(NAMES)
        await self._as_a_command(
            lambda store: store.hold_lane(name, HoldKind.PAUSED, "", time.time_ns() // 1_000_000)
        )
        await asyncio.sleep(self.rng.choice([0, 1.2]))
        if self.rng.choice([True, True, False]):
            await self._as_a_command(lambda store: store.open_lane(name, *RESUMABLE))

    async def _replay(self) -> None:
        ids = self.rng.sample(self.acked, min(len(self.acked), 20))
        name = self.rng.choice([name for name in NAMES if name != "ordered"])
        query = ReplayQuery(event_ids=ids, destination=name)
        now_ms = time.time_ns() // 1_000_000
        if ids:
            await self._as_a_command(lambda store: store.add_job(query, None, now_ms))

    async def _as_a_command(self, do: Callable[[Store], Awaitable[object]]) -> None:
        store = store_from_url(f"sqlite:///{self.database}")
        await store.open()
        try:
            await do(store)
        finally:
            await store.close()

    async def _upset(self) -> None:
        for _ in range(2):
            self._moods[self.rng.choice(NAMES)] = self.rng.choice(MOODS)
        self._kinder.set()
        self._kinder = asyncio.Event()

    async def _lock(self) -> None:
        with write_lock(self.database):
            await asyncio.sleep(self.rng.choice([0.1, 2.5]))

    # And after it

    async def calm(self) -> None:
        """Have all be well; return when nothing is owed."""
        self._moods = dict.fromkeys(NAMES, "well")
        self._kinder.set()
        self.write(last=True)
        seen = len(self.daemon.log.of("reloaded"))
        for count in (1, 2):  # the first may have begun before this was written
            self.daemon.process.send_signal(signal.SIGHUP)
            await self.daemon.log.wait_for("reloaded", seen + count)
        for name in NAMES:
            await self._as_a_command(lambda store, name=name: store.open_lane(name, *RESUMABLE))  # type: ignore[misc]
        owed, since_s = self._owed(), time.monotonic()
        while owed:
            await asyncio.sleep(0.05)
            before, owed = owed, self._owed()
            if owed != before:
                since_s = time.monotonic()
            assert time.monotonic() - since_s < STILL_MAX_S, (owed, self.did)
        assert await self.daemon.terminate() == 0
        self._gone()

    def _asked(self, sql: str) -> list[Any]:
        connection = sqlite3.connect(self.database, timeout=10)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def _owed(self) -> list[Any]:
        return self._asked(
            "SELECT destination, status, count(*) FROM deliveries WHERE status != 'success'"
            " GROUP BY 1, 2 UNION ALL SELECT 'job', state, id FROM jobs WHERE state != 'done'"
        )

    def problems(self) -> list[Any]:
        """Say what does not hold."""
        found: list[Any] = [
            line for line in self._told if line["event"] in ("internal_error", "text")
        ]
        places = {from_key(key): seq for key, seq in self._asked("SELECT id, seq FROM events")}
        found += [("lost", event) for event in self.acked if event not in places]
        attempts: dict[tuple[str, str], dict[int, int | None]] = defaultdict(dict)
        for key, name, number, status in self._asked(
            "SELECT event_id, destination, number, status_code FROM attempts"
        ):
            attempts[from_key(key), name][number] = status
        requests: dict[tuple[str, str], dict[int, list[Seen]]] = defaultdict(
            lambda: defaultdict(list)
        )
        for seen in self.seen:
            requests[seen.event, seen.name][seen.number].append(seen)
        rows = {
            (from_key(key), name): replays
            for key, name, replays in self._asked(
                "SELECT event_id, destination, replays FROM deliveries"
            )
        }
        found += [("sent, but not owed", key) for key in requests if key not in rows]
        for key, replays in rows.items():
            kept, made = attempts[key], requests[key]
            if kept.keys() != made.keys():
                found.append(("attempts are not requests", key, kept, dict(made)))
            for number, same in made.items():
                again = [one for one in same[:-1] if one.run not in self._killed]
                if again or len({one.run for one in same}) < len(same):
                    found.append(("sent again without a kill", key, number, same))
                if kept.get(number) not in (None, same[-1].status):
                    found.append(("another status", key, number, same, kept))
            successes = sum(status == 200 for status in kept.values())
            if not 1 <= successes <= 1 + replays:
                found.append(("successes", key, successes, replays))
        order = [places[one.event] for one in self.seen if one.name == "ordered"]
        if order != sorted(order):
            found.append(("order", order))
        return found
