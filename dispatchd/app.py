"""The daemon: the only place that builds the parts and wires them together."""

import asyncio
import gc
import random
import signal
from contextlib import AsyncExitStack
from typing import Final

from aiohttp import web

from dispatchd import __version__
from dispatchd.certificates import FetchedCertificates
from dispatchd.clock import Clock, SystemClock
from dispatchd.config import Config
from dispatchd.deliver import Deliverer, LaneTools, ReadyBytes, lane_specs
from dispatchd.errors import StoreUnavailable
from dispatchd.expressions.pool import Expressions
from dispatchd.listen import bind_tcp, bind_unix, raise_file_limit
from dispatchd.log import Log
from dispatchd.reading.reader import Reader
from dispatchd.receive import Connections, Receiver, compile_routes, http_server
from dispatchd.send import Sender
from dispatchd.store import Store, store_from_url
from dispatchd.store.health import StoreHealth
from dispatchd.systemd import Notifier

TICK_S: Final = 1.0
DRAIN_S: Final = 20.0  # for exchanges under way at SIGTERM; systemd's own limit lies above
REQUESTS_DRAIN_S: Final = 5.0  # for requests being answered at SIGTERM
FILES_BESIDE: Final = 2048  # those of deliveries, the database, the log
CLOCK_JUMP_MS: Final = 2000  # below this, NTP slews and scheduling noise


class App:
    """A daemon for one config. `start`, then `stop`; `run` does both around a signal."""

    def __init__(
        self,
        config: Config,
        log: Log,
        *,
        clock: Clock | None = None,
        notifier: Notifier | None = None,
        drain_s: float = DRAIN_S,
    ) -> None:
        self._config = config
        self._log = log
        self._clock: Clock = clock or SystemClock()
        self._notifier = notifier or Notifier()
        self._drain_s = drain_s
        self._exit = AsyncExitStack()
        self._health = StoreHealth(self._store_changed)
        self.port: int | None = None  # of a TCP listener, once started

    async def start(self) -> None:
        """Open the store, start the lanes, then the listener. Raises DispatchdError."""
        try:
            await self._start()
        except BaseException:
            await self._exit.aclose()
            raise

    async def _start(self) -> None:
        config, log = self._config, self._log
        store = store_from_url(config.storage.url)
        store.lock()
        self._exit.push_async_callback(store.close)
        await store.open()
        for name in await store.open_lanes(config.destinations):
            log.warning("destination_held", destination=name, reason="not in the config")
        ticks = asyncio.create_task(self._tick(store), name="tick")
        self._exit.push_async_callback(_cancel, ticks)  # outlives the lanes: they wait for it

        expressions = Expressions()
        self._exit.push_async_callback(expressions.close)
        sender = await self._exit.enter_async_context(Sender())
        roll = random.Random().random  # noqa: S311 - jitter is no secret, and rolled per attempt
        tools = LaneTools(
            store=store,
            health=self._health,
            sender=sender,
            expressions=expressions,
            clock=self._clock,
            log=log,
            roll=roll,
            ready=ReadyBytes(),
        )
        deliverer = Deliverer(lane_specs(config), tools)
        certificates = FetchedCertificates()
        self._exit.push_async_callback(certificates.close)
        reader = Reader()
        self._exit.push_async_callback(reader.close)
        self._receiver = Receiver(
            compile_routes(config, certificates),
            certificates=certificates,
            expressions=expressions,
            store=store,
            health=self._health,
            clock=self._clock,
            log=log,
            wake=deliverer.wake,
            reader=reader,
        )
        self._exit.push_async_callback(deliverer.stop, self._drain_s)
        server = config.server
        connections = Connections(
            server.max_connections, server.max_connections_per_client, server.trusted_proxies
        )
        self._allow_files(server.max_connections)
        runner = web.ServerRunner(
            http_server(self._receiver.handle, log, connections),
            shutdown_timeout=REQUESTS_DRAIN_S,
        )
        await runner.setup()
        self._exit.push_async_callback(runner.cleanup)
        await self._listen(runner)
        deliverer.start()
        # What exists now lives as long as the daemon: keep it out of every collection.
        gc.collect()
        gc.freeze()
        # Requests leave few cycles behind: look for them less often than after 700 objects.
        gc.set_threshold(10_000, 20, 20)
        self._notifier.ready()

    def _allow_files(self, connections: int) -> None:
        """Every connection is an open file, and a shell's default is fewer than we allow."""
        wanted = connections + FILES_BESIDE
        allowed = raise_file_limit(wanted)
        if allowed < wanted:
            self._log.warning("file_limit", allowed=allowed, wanted=wanted)

    async def _listen(self, runner: web.ServerRunner) -> None:
        listen = self._config.server.listen
        if listen.path is not None:
            await bind_unix(runner, listen.path)
        else:
            self.port = await bind_tcp(runner, listen.host, listen.port)
        self._log.info(
            "started",
            version=__version__,
            listen=str(listen),
            port=self.port,
            endpoints=len(self._config.endpoints),
            destinations=len(self._config.destinations),
        )

    async def stop(self) -> None:
        """Stop accepting, finish what is in flight, write the results, let go."""
        self._notifier.stopping()
        self._log.info("stopping")
        self._receiver.draining = True
        await self._exit.aclose()
        self._log.info("stopped")

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        await self.start()
        await ended.wait()
        await self.stop()

    def _store_changed(self, error: StoreUnavailable | None) -> None:
        if error is None:
            self._log.info("storage_recovered")
        else:
            self._log.error("storage_fault", reason=error.reason, message=str(error))

    async def _tick(self, store: Store) -> None:
        """Every second: feed the watchdog, probe a store in trouble, watch the clock."""
        never = asyncio.Event()
        interval_s = self._notifier.watchdog_interval_s
        fed_s = wall_ms = steady_s = None
        while True:
            now_s = self._clock.monotonic_s()
            watchdog_due = interval_s is not None and (fed_s is None or now_s - fed_s >= interval_s)
            if watchdog_due or not self._health.good:
                await self._ping(store)
            if watchdog_due:
                # Also with the store in trouble: a restart mends no full disk. Only a ping
                # that never returns starves the watchdog.
                self._notifier.alive()
                fed_s = now_s
            now_ms, now_s = self._clock.now_ms(), self._clock.monotonic_s()
            if wall_ms is not None and steady_s is not None:
                await self._watch_clock(
                    store, now_ms, now_ms - wall_ms - round((now_s - steady_s) * 1000)
                )
            wall_ms, steady_s = now_ms, now_s
            await self._clock.wait(never, min(TICK_S, interval_s or TICK_S))

    async def _ping(self, store: Store) -> None:
        try:
            await store.ping()
        except StoreUnavailable as error:
            self._health.failed(error)
        else:
            self._health.worked()

    async def _watch_clock(self, store: Store, now_ms: int, jump_ms: int) -> None:
        """Bring retries forward that a clock set back would postpone by as much."""
        if abs(jump_ms) < CLOCK_JUMP_MS:
            return
        moved = 0
        if jump_ms < 0:
            try:
                moved = await store.shift_due(now_ms, -jump_ms)
            except StoreUnavailable as error:
                self._health.failed(error)
        self._log.warning("clock_jump", jump_ms=jump_ms, deliveries_moved=moved)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
