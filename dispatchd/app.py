"""The daemon: the only place that builds the parts and wires them together."""

import asyncio
import gc
import random
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Final

from dispatchd import __version__
from dispatchd.administration import Administration
from dispatchd.alarms import Alarms
from dispatchd.clock import Clock, SystemClock
from dispatchd.control import answering, control_path
from dispatchd.deliver.courtesy import Courtesy
from dispatchd.deliver.lanes import Lanes
from dispatchd.deliver.room import Room
from dispatchd.deliver.tools import LaneTools
from dispatchd.duties import Duties
from dispatchd.errors import DispatchdError, StoreUnavailable
from dispatchd.evaluate.evaluator import Evaluator
from dispatchd.facts import telling
from dispatchd.handed import HandedSockets
from dispatchd.housekeeping import Housekeeping
from dispatchd.listener import Listener
from dispatchd.log import Log
from dispatchd.log_facts import log_watcher
from dispatchd.pinned import PinnedDocuments
from dispatchd.plan import Plan
from dispatchd.plan.difference import Difference
from dispatchd.plan.outcome import Outcome
from dispatchd.reading.reader import Reader
from dispatchd.receive.client_ip import ClientIp
from dispatchd.receive.judge import Judge
from dispatchd.receive.receiver import Receiver
from dispatchd.receive.refusals import Refusals
from dispatchd.receive.routes import compile_routes, recompile_routes
from dispatchd.reload import Reloading
from dispatchd.send import Carrier, HttpSender
from dispatchd.shapes.reload import ReloadFields
from dispatchd.store import Store, store_from_url
from dispatchd.store.health import StoreHealth
from dispatchd.systemd import Notifier
from dispatchd.tracing import Tracing
from dispatchd.upgrading import telling_upgrade
from dispatchd.upkeep.clock_watch import ClockWatch
from dispatchd.upkeep.config_watch import ConfigWatch
from dispatchd.upkeep.jobs import JobRunner
from dispatchd.upkeep.notice import Notice
from dispatchd.upkeep.probe import Probe
from dispatchd.upkeep.replaying import Replaying
from dispatchd.upkeep.watchdog import Watchdog

if TYPE_CHECKING:
    from dispatchd.admin.parts import Readiness

DRAIN_S: Final = 5.0  # for exchanges under way at SIGTERM; what they cut is sent again


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
        watch: bool = False,
        handed: HandedSockets | None = None,
    ) -> None:
        self._plan = plan
        self._log = log
        self._clock: Clock = clock or SystemClock()
        self._notifier = notifier or Notifier()
        self._drain_s = drain_s
        self._watch_config = watch
        self._handed = handed or HandedSockets({})
        self._exit = AsyncExitStack()
        self._health = StoreHealth(self._store_changed)
        self._ended = asyncio.Event()  # somebody asked us to stop, or a duty died
        self._hurry = asyncio.Event()  # somebody asked twice
        self._duties = Duties(self._exit, log, self._ended.set)
        self._alarms: Alarms | None = None

    @property
    def port(self) -> int | None:
        """The port of a TCP listener, once started."""
        return self._listener.port

    @property
    def admin_port(self) -> int | None:
        """Likewise, of the admin listener."""
        return self._admin.port

    async def start(self) -> None:
        """Open the store, start the lanes, then the listener. Raises DispatchdError."""
        try:
            await self._start()
        except BaseException:
            await self._exit.aclose()
            raise

    async def _start(self) -> None:
        plan, log, clock, health = self._plan, self._log, self._clock, self._health
        duty, handed = self._duties.start, self._handed
        store = self._store = await self._open_store()
        kept_ms = await store.kept_time()  # of the last run: the watch keeps its own
        watch = ClockWatch(store, health, clock, log, self._look_again)
        await watch.start()  # before the lanes ask what is due
        self._exit.push_async_callback(watch.keep)
        probe = Probe(store, health, clock)
        # They outlive the lanes, which wait for the store to be well again.
        duty("watchdog", Watchdog(self._notifier, probe, clock).run())
        duty("clock watch", watch.run())
        duty("probe", probe.run())
        refusals = Refusals(store, clock)
        self._exit.push_async_callback(refusals.write)
        duty("refusals", refusals.run())
        tracing = self._tracing = await self._exit.enter_async_context(Tracing(plan, log))
        admin = self._admin = Administration(plan)
        evaluator = Evaluator()
        self._exit.push_async_callback(evaluator.close)
        self._sender = await self._exit.enter_async_context(HttpSender())
        carrier = Carrier(self._sender)
        self._exit.push_async_callback(carrier.close)
        alarms = self._alarms = Alarms(store, health, clock, log)
        alarms.want(plan, self._gone)
        tools = LaneTools(
            store=store,
            health=health,
            sender=carrier,
            evaluator=evaluator,
            clock=clock,
            tell=telling(
                log_watcher(log), alarms.tell, refusals.watch, *admin.watchers, *tracing.watchers
            ),
            roll=random.Random().random,  # noqa: S311 - jitter is no secret, and rolled per attempt
            room=Room(len(plan.lanes)),
            courtesy=Courtesy(clock),
        )
        lanes = self._lanes = Lanes(list(plan.lanes.values()), tools)
        await alarms.start(lanes.look, kept_ms)  # before anything may fail
        self._exit.push_async_callback(alarms.stop)
        duty("alerts", alarms.run())
        self._keeping = await Housekeeping.start(
            plan, store, health, clock, tell=tools.tell, duty=duty
        )
        documents = self._documents = PinnedDocuments(monotonic_s=clock.monotonic_s)
        self._exit.push_async_callback(documents.close)
        reader = Reader()
        self._exit.push_async_callback(reader.close)
        self._receiver = Receiver(
            compile_routes(plan.routes.values(), _client_ip(plan), plan.max_body_bytes, documents),
            judge=Judge(documents, evaluator, reader),
            store=store,
            health=health,
            clock=clock,
            tell=tools.tell,
            takers=lanes,
            refusals=refusals,
            visitor=documents,
        )
        self._listener = Listener(self._receiver.handle, plan, log, handed)
        self._exit.push_async_callback(self._close_listener)
        await self._listener.prepare(plan.listen)
        self._listener.move()
        log.info(
            "started",
            version=__version__,
            listen=str(plan.listen),
            port=self.port,
            endpoints=len(plan.routes),
            destinations=len(plan.lanes),
        )
        duty("lanes", lanes.run())
        replaying = Replaying(store, evaluator, clock, lanes.look)
        jobs = self._jobs = JobRunner(store, replaying, clock, log)
        duty("jobs", jobs.run())
        self._reloading = Reloading(plan, self._apply, self._notifier, log)
        self._exit.push_async_callback(admin.close)
        await admin.start(
            store,
            tools,
            documents=documents,
            log=log,
            look=self._look_everywhere,
            readiness=self._readiness,
            reload=self._answer_reload,
            lanes=lanes,
            handed=handed,
        )
        duty("notice", Notice(store, health, clock, self._look_everywhere).run())
        self._exit.push_async_callback(lanes.stop, self._drain_s, self._hurry)
        await self._start_reloading()
        self._notifier.ready()

    async def _open_store(self) -> Store:
        plan, store = self._plan, store_from_url(self._plan.storage_url)
        store.lock()
        self._exit.push_async_callback(store.close)
        backup = plan.storage.backup_before_upgrade
        await store.open(backup=backup, tell=telling_upgrade(self._log, self._notifier))
        for sentence in store.warnings():
            self._log.warning("storage", message=sentence)
        self._gone = await store.open_lanes(plan.lanes, self._clock.now_ms())
        self._tell_gone(self._gone)
        await store.order_lanes(_ordered(plan))
        return store

    async def _start_reloading(self) -> None:
        """Be ready to take up another config: at a signal, when asked, when the file changes."""
        plan, reloading = self._plan, self._reloading
        self._duties.start("reload", reloading.run())
        if self._watch_config and plan.source:
            config_watch = ConfigWatch(plan.source, self._clock, reloading.ask)
            self._duties.start("config watch", config_watch.run())
        path = control_path(plan.storage_url)
        try:
            await self._exit.enter_async_context(answering(path, {"reload": self._answer_reload}))
        except OSError as error:  # the daemon is as good without it
            self._log.warning("control", message=f"cannot listen on {path}: {error.strerror}")

    def _readiness(self) -> "Readiness":
        if self._receiver.draining or self._receiver.stopping:
            return "stopping"
        return "ok" if self._health.takes else "unavailable"

    async def reload(self) -> Outcome:
        """Read the config anew and apply it whole, or say why nothing has changed."""
        return await self._reloading.reload()

    async def _answer_reload(self) -> ReloadFields:
        return (await self.reload()).document()

    async def _apply(self, plan: Plan, found: Difference) -> list[str]:
        """Go from the plan that runs to another one; what keeps us from it changes nothing.

        First what may fail, beside what there is; then the change itself, in one turn of the loop.
        """
        routes = recompile_routes(
            self._receiver.routes,
            plan.routes.values(),
            found.routes.changed,
            client_ip=_client_ip(plan),
            max_body_bytes=plan.max_body_bytes,
            source=self._documents,
        )
        try:
            if found.moves:
                await self._listener.prepare(plan.listen)
            await self._declare(plan)
        except DispatchdError as error:
            await self._listener.forget()
            return [str(error)]
        self._lanes.change(
            changed=[plan.lanes[name] for name in found.lanes.changed],
            added=[plan.lanes[name] for name in found.lanes.added],
            removed=found.lanes.removed,
        )
        self._receiver.routes = routes
        self._listener.allow(plan)
        self._listener.move()
        self._sender.forget()
        before, self._plan = self._plan, plan
        self._tell_gone(found.lanes.removed)
        self._admin.follow(plan)
        self._keeping.follow(plan)
        self._tracing.follow(plan)
        if found.alerts and self._alarms is not None:
            self._alarms.want(plan, self._gone)
        if set(_ordered(before)) - set(_ordered(plan)):
            with suppress(StoreUnavailable):  # else they keep their places, at a small cost
                await self._store.order_lanes(_ordered(plan))
        return []

    async def _declare(self, plan: Plan) -> None:
        """Have the store know the lanes of another plan. Raises StoreUnavailable, and undoes it."""
        before = self._plan
        ordered, was_ordered = set(_ordered(plan)), set(_ordered(before))
        if plan.lanes.keys() == before.lanes.keys() and ordered == was_ordered:
            return
        now_ms = self._clock.now_ms()
        try:
            # What is ordered now stays so until its lane hears of it.
            await self._store.order_lanes(ordered | was_ordered)
            self._gone = await self._store.open_lanes(plan.lanes, now_ms, anew=True)
        except StoreUnavailable as error:
            self._health.failed(error)
            with suppress(StoreUnavailable):
                await self._store.order_lanes(was_ordered)
                await self._store.open_lanes(before.lanes, now_ms, anew=True)
            raise

    def _tell_gone(self, names: Sequence[str]) -> None:
        for name in names:
            if name in self._gone:  # it owes something
                self._log.warning("destination_held", destination=name, reason="not in the config")

    async def stop(self) -> None:
        """Finish what is in flight, write the results, then close the listener and let go."""
        self._notifier.stopping()
        self._log.info("stopping", waits_for=self._lanes.busy())
        self._receiver.draining = True
        await self._exit.aclose()
        self._log.info("stopped")

    async def _close_listener(self) -> None:
        """Take webhooks until the lanes have ended: they are kept, and sent after the restart."""
        await self._listener.close()
        self._receiver.stopping = True
        await self._listener.cut()

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT; a second one cuts the drain short.

        Raises DispatchdError for a duty that died, once everything is closed.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._asked_to_stop)
        hung_up = asyncio.Event()
        loop.add_signal_handler(signal.SIGHUP, hung_up.set)
        await self.start()
        loop.add_signal_handler(signal.SIGHUP, self._reloading.ask)
        if hung_up.is_set():  # while we started: the config was read before
            self._reloading.ask()
        # What exists now lives as long as the daemon: keep it out of every collection. None first:
        # that would hold up the first events, for half a megabyte.
        gc.freeze()
        # Requests leave few cycles behind: look for them less often than after 700 objects.
        gc.set_threshold(10_000, 20, 20)
        gc.enable()  # off since the command began
        await self._ended.wait()
        await self.stop()
        if self._duties.dead is not None:
            raise self._duties.dead

    def _look_again(self) -> None:
        self._lanes.look()

    def _look_everywhere(self) -> None:
        self._lanes.look()
        self._jobs.look()

    def _asked_to_stop(self) -> None:
        if self._ended.is_set():
            self._hurry.set()
        self._ended.set()

    def _store_changed(self, error: StoreUnavailable | None) -> None:
        if error is None:
            self._log.info("storage_recovered")
        else:
            self._log.error("storage_fault", reason=error.reason, message=str(error))
        if self._alarms is not None:
            self._alarms.storage(error)


def _client_ip(plan: Plan) -> ClientIp:
    return ClientIp(plan.trusted_proxies, unix=plan.listen.may_be_unix)


def _ordered(plan: Plan) -> list[str]:
    return [name for name, lane in plan.lanes.items() if lane.ordered]
