"""The daemon: the only place that builds the parts and wires them together."""

import asyncio
import gc
import random
import signal
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from dispatchd import __version__
from dispatchd.clock import Clock, SystemClock
from dispatchd.deliver.lane import LaneTools
from dispatchd.deliver.lanes import Lanes
from dispatchd.deliver.room import Room
from dispatchd.errors import DispatchdError, StoreUnavailable
from dispatchd.evaluate.evaluator import Evaluator
from dispatchd.facts import Tell, telling
from dispatchd.listen import bind_tcp, bind_unix, raise_file_limit
from dispatchd.log import Log
from dispatchd.log_facts import log_watcher
from dispatchd.pinned import PinnedDocuments
from dispatchd.plan import Plan
from dispatchd.reading.reader import Reader
from dispatchd.receive.client_ip import ClientIp
from dispatchd.receive.connections import Connections
from dispatchd.receive.judge import Judge
from dispatchd.receive.receiver import Receiver
from dispatchd.receive.routes import compile_routes
from dispatchd.receive.server import close_listener, http_server
from dispatchd.send import Carrier, HttpSender
from dispatchd.store import Store, store_from_url
from dispatchd.store.health import StoreHealth
from dispatchd.systemd import Notifier
from dispatchd.upkeep.clock_watch import ClockWatch
from dispatchd.upkeep.forgetting import Forgetting
from dispatchd.upkeep.jobs import JobRunner
from dispatchd.upkeep.probe import Probe
from dispatchd.upkeep.replaying import Replaying

if TYPE_CHECKING:
    from dispatchd.alert.watch import AlertWatch

TICK_S: Final = 1.0
DRAIN_S: Final = 5.0  # for exchanges under way at SIGTERM; what they cut is sent again
REQUESTS_DRAIN_S: Final = 5.0  # for requests being answered when the listener closes
FILES_BESIDE: Final = 2048  # those of deliveries, the database, the log


class App:
    """A daemon for one plan. `start`, then `stop`; `run` does both around a signal."""

    def __init__(
        self,
        plan: Plan,
        log: Log,
        *,
        clock: Clock | None = None,
        notifier: Notifier | None = None,
        drain_s: float = DRAIN_S,
    ) -> None:
        self._plan = plan
        self._log = log
        self._clock: Clock = clock or SystemClock()
        self._notifier = notifier or Notifier()
        self._drain_s = drain_s
        self._exit = AsyncExitStack()
        self._health = StoreHealth(self._store_changed)
        self._ended = asyncio.Event()  # somebody asked us to stop, or a duty died
        self._hurry = asyncio.Event()  # somebody asked twice
        self._dead: DispatchdError | None = None
        self._alert_watch: AlertWatch | None = None  # where the config wants to be told
        self.port: int | None = None  # of a TCP listener, once started

    async def start(self) -> None:
        """Open the store, start the lanes, then the listener. Raises DispatchdError."""
        try:
            await self._start()
        except BaseException:
            await self._exit.aclose()
            raise

    async def _start(self) -> None:
        plan, log = self._plan, self._log
        store = store_from_url(plan.storage_url)
        store.lock()
        self._exit.push_async_callback(store.close)
        await store.open()
        for sentence in store.warnings():
            log.warning("storage", message=sentence)
        gone = await store.open_lanes(plan.lanes, self._clock.now_ms())
        for name in gone:
            log.warning("destination_held", destination=name, reason="not in the config")
        await store.order_lanes([name for name, lane in plan.lanes.items() if lane.ordered])
        kept_ms = await store.kept_time()  # of the last run: the watch keeps its own
        watch = ClockWatch(store, self._health, self._clock, log, self._look_again)
        await watch.start()  # before the lanes ask what is due
        self._exit.push_async_callback(watch.keep)
        probe = Probe(store, self._health, self._clock)
        # They outlive the lanes, which wait for the store to be well again.
        self._duty("watchdog", self._feed_watchdog(probe))
        self._duty("clock watch", watch.run())
        self._duty("probe", probe.run())
        self._duty("forgetting", Forgetting(store, self._clock).run())
        evaluator = Evaluator()
        self._exit.push_async_callback(evaluator.close)
        sender = await self._exit.enter_async_context(HttpSender())
        carrier = Carrier(sender)
        self._exit.push_async_callback(carrier.close)
        roll = random.Random().random  # noqa: S311 - jitter is no secret, and rolled per attempt
        tools = LaneTools(
            store=store,
            health=self._health,
            sender=carrier,
            evaluator=evaluator,
            clock=self._clock,
            tell=telling(*self._watchers()),
            roll=roll,
            room=Room(len(plan.lanes)),
        )
        lanes = self._lanes = Lanes(list(plan.lanes.values()), tools)
        await self._start_alerts(store, lanes, gone, kept_ms)  # before anything may fail
        documents = PinnedDocuments(monotonic_s=self._clock.monotonic_s)
        self._exit.push_async_callback(documents.close)
        reader = Reader()
        self._exit.push_async_callback(reader.close)
        self._receiver = Receiver(
            compile_routes(
                plan.routes.values(),
                ClientIp(plan.trusted_proxies, unix=plan.listen.path is not None),
                plan.max_body_bytes,
                documents,
            ),
            judge=Judge(documents, evaluator, reader),
            store=store,
            health=self._health,
            clock=self._clock,
            tell=tools.tell,
            takers=lanes,
            visitor=documents,
        )
        connections = Connections(
            plan.max_connections, plan.max_connections_per_client, plan.trusted_proxies
        )
        self._allow_files(plan.max_connections)
        runner = web.ServerRunner(
            http_server(self._receiver.handle, log, connections),
            shutdown_timeout=REQUESTS_DRAIN_S,
        )
        await runner.setup()
        self._exit.push_async_callback(self._close_listener, runner)
        await self._listen(runner)
        self._duty("lanes", lanes.run())
        replaying = Replaying(store, evaluator, self._clock, lanes.look)
        jobs = JobRunner(store, replaying, self._clock, log)
        self._duty("jobs", jobs.run())
        self._duty("notice", self._notice(store, jobs))
        self._exit.push_async_callback(lanes.stop, self._drain_s, self._hurry)
        self._notifier.ready()

    def _watchers(self) -> list[Tell]:
        """Return who is told what happens: the log, and what alerts watch where there are any."""
        watchers = [log_watcher(self._log)]
        if self._plan.alerts:
            from dispatchd.alert.watch import AlertWatch  # noqa: PLC0415 - only where it is used

            self._alert_watch = AlertWatch(self._plan.alerts, self._clock)
            watchers.append(self._alert_watch.tell)
        return watchers

    async def _start_alerts(
        self, store: Store, lanes: Lanes, gone: Sequence[str], kept_ms: int
    ) -> None:
        if self._alert_watch is None:
            if notes := await store.alert_notes():  # of a config that had some: not to be taken up
                await store.keep_alert_notes((), notes)
            return
        from dispatchd.alert.alerting import Alerting  # noqa: PLC0415 - only where it is used

        alerting = Alerting(
            self._plan.alerts,
            self._alert_watch,
            store,
            health=self._health,
            clock=self._clock,
            log=self._log,
            look=lanes.look,
        )
        await alerting.start([*self._plan.lanes, *gone], self._plan.routes, kept_ms)
        self._exit.push_async_callback(alerting.stop)
        self._duty("alerts", alerting.run())

    def _duty(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run a duty until the listener is closed; one that dies ends the daemon, with a reason."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._duty_ended)
        self._exit.push_async_callback(_cancel, task)

    def _duty_ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            name, reasons = task.get_name(), _reasons(error)
            self._log.error("internal_error", duty=name, error=reasons)
            self._dead = DispatchdError(f"{name} ended unexpectedly: {reasons}")
            self._ended.set()

    def _allow_files(self, connections: int) -> None:
        """Every connection is an open file, and a shell's default is fewer than we allow."""
        wanted = connections + FILES_BESIDE
        allowed = raise_file_limit(wanted)
        if allowed < wanted:
            self._log.warning("file_limit", allowed=allowed, wanted=wanted)

    async def _listen(self, runner: web.ServerRunner) -> None:
        listen = self._plan.listen
        if listen.path is not None:
            await bind_unix(runner, listen.path)
        else:
            self.port = await bind_tcp(runner, listen.host, listen.port)
        self._log.info(
            "started",
            version=__version__,
            listen=str(listen),
            port=self.port,
            endpoints=len(self._plan.routes),
            destinations=len(self._plan.lanes),
        )

    async def stop(self) -> None:
        """Finish what is in flight, write the results, then close the listener and let go."""
        self._notifier.stopping()
        self._log.info("stopping", waits_for=self._lanes.busy())
        self._receiver.draining = True
        await self._exit.aclose()
        self._log.info("stopped")

    async def _close_listener(self, runner: web.ServerRunner) -> None:
        """Take webhooks until the lanes have ended: they are kept, and sent after the restart."""
        await close_listener(runner, REQUESTS_DRAIN_S)
        self._receiver.stopping = True
        await runner.cleanup()

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT; a second one cuts the drain short.

        Raises DispatchdError for a duty that died, once everything is closed.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._asked_to_stop)
        loop.add_signal_handler(signal.SIGHUP, self._asked_to_reload)
        await self.start()
        # What exists now lives as long as the daemon: keep it out of every collection.
        gc.collect()
        gc.freeze()
        # Requests leave few cycles behind: look for them less often than after 700 objects.
        gc.set_threshold(10_000, 20, 20)
        await self._ended.wait()
        await self.stop()
        if self._dead is not None:
            raise self._dead

    def _look_again(self) -> None:
        self._lanes.look()

    def _asked_to_stop(self) -> None:
        if self._ended.is_set():
            self._hurry.set()
        self._ended.set()

    def _asked_to_reload(self) -> None:
        self._log.warning("reload", message="SIGHUP is ignored: restart to apply a changed config")

    def _store_changed(self, error: StoreUnavailable | None) -> None:
        if error is None:
            self._log.info("storage_recovered")
        else:
            self._log.error("storage_fault", reason=error.reason, message=str(error))
        if self._alert_watch is not None:
            self._alert_watch.storage(error)

    async def _notice(self, store: Store, jobs: JobRunner) -> None:
        """Notice within a second what another process changed: a replay, for one."""
        never = asyncio.Event()
        seen: int | None = None
        while True:
            try:
                version = await store.version()
            except StoreUnavailable as error:
                self._health.failed(error)
            else:
                if version != seen:  # the first too: the lanes may have looked before it
                    self._lanes.look()
                    jobs.look()
                seen = version
            await self._clock.wait(never, TICK_S)

    async def _feed_watchdog(self, probe: Probe) -> None:
        """Feed the watchdog, after a ping.

        Also with the store in trouble: a restart mends no full disk. Only a ping that never
        returns starves the watchdog.
        """
        never = asyncio.Event()
        interval_s = self._notifier.watchdog_interval_s
        while interval_s is not None:
            await probe.ping()
            self._notifier.alive()
            await self._clock.wait(never, interval_s)


def _reasons(error: BaseException) -> str:
    """Name what a duty died of; of a group, each part."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_reasons(part) for part in error.exceptions)
    return repr(error)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
