"""The admin listener wired to a running daemon: built where the config asks for it."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, Final

from dispatchd.admin.counters import Counters
from dispatchd.admin.dashboard.pulse import Pulse
from dispatchd.admin.listener import AdminListener
from dispatchd.admin.parts import AdminParts, Readiness, Reload, Running
from dispatchd.admin.spec import AdminSpec
from dispatchd.admin.stream.feed import Feed
from dispatchd.admin.stream.watch import StreamWatch
from dispatchd.deliver.attempt import Attempts
from dispatchd.deliver.lanes import Lanes
from dispatchd.deliver.testing import send_test
from dispatchd.deliver.tools import LaneTools
from dispatchd.evaluate.evaluator import Evaluator, Fault
from dispatchd.handed import HandedSockets
from dispatchd.log import Log
from dispatchd.pinned import PinnedDocuments
from dispatchd.plan import Plan
from dispatchd.plan.checking import would_reload
from dispatchd.plan.explaining import explain_by_plan
from dispatchd.reading.reader import Reader
from dispatchd.receive.client_ip import ClientIp
from dispatchd.receive.explain import Inquiry
from dispatchd.shapes.attempted import TestFields
from dispatchd.shapes.event import attempt_fields
from dispatchd.shapes.reload import ReloadFields
from dispatchd.store import Store, reads_from_url
from dispatchd.store.jobs import Job
from dispatchd.upkeep.counting import Count, Counting

DRY_RUN_MAX_S: Final = 10.0  # who asks waits for it


class Wired:
    """The admin listener, with what it has of its own: reads, and an evaluator.

    So what is asked for out of curiosity takes no webhook's turn.
    """

    def __init__(
        self,
        spec: AdminSpec,
        plan: Plan,
        store: Store,
        tools: LaneTools,
        *,
        documents: PinnedDocuments,
        counters: Counters,
        pulse: Pulse,
        stream: StreamWatch,
        log: Log,
        look: Callable[[], None],
        readiness: Callable[[], Readiness],
        reload: Reload,
        lanes: Lanes,
    ) -> None:
        self._spec = spec
        self._plan = plan
        self._tools = tools
        self._documents = documents
        self._log = log
        self._exit = AsyncExitStack()
        self._reads = reads_from_url(plan.storage_url)
        self._evaluator = Evaluator(processes_max=1)
        self._reader = Reader()
        running = self._running(spec, plan)
        self._began_ms = running.began_ms
        self._listener = AdminListener(
            AdminParts(
                running=running,
                reads=self._reads,
                feed=Feed(self._reads, stream, tools.clock, log),
                store=store,
                health=tools.health,
                clock=tools.clock,
                log=log,
                look=look,
                explain=self._explain,
                test=self._test,
                count_replay=self._count_replay,
                readiness=readiness,
                commit_times=store.commit_times,
                evaluations=lambda: tools.evaluator.evaluations,
                reload=reload,
                check=self._check,
                config_file=lambda: self._plan.source,
                queue=lanes.queue,
            ),
            counters,
            pulse,
        )
        self.port: int | None = None  # of a TCP listener, once started

    async def start(self, handed: HandedSockets) -> None:
        """Open what it reads by, then listen. Raises DispatchdError."""
        self._exit.push_async_callback(self._evaluator.close)
        self._exit.push_async_callback(self._reader.close)
        self._exit.push_async_callback(self._reads.close)
        await self._reads.open()
        self._exit.push_async_callback(self._listener.close)
        await self._listener.start(handed)
        self.port = self._listener.port
        self._log.info("admin_started", listen=str(self._spec.listen), port=self.port)

    def follow(self, spec: AdminSpec, plan: Plan) -> None:
        """Tell of another plan from here on, and ask for its token."""
        before, self._spec, self._plan = self._spec, spec, plan
        running = self._running(spec, plan)
        if spec.fingerprint == before.fingerprint:  # it has been running all the time
            running = replace(running, began_ms=self._began_ms)
        self._began_ms = running.began_ms
        self._listener.follow(running)

    async def close(self) -> None:
        """Answer what has begun, then let go."""
        await self._exit.aclose()

    def _running(self, spec: AdminSpec, plan: Plan) -> Running:
        return Running(
            spec=spec,
            client_ip=ClientIp(plan.trusted_proxies, unix=spec.listen.may_be_unix),
            slugs=plan.routes.keys(),
            destinations=plan.lanes.keys(),
            began_ms=self._tools.clock.now_ms(),
        )

    async def _explain(self, slug: str, asked: Inquiry) -> dict[str, Any]:
        return await explain_by_plan(
            self._plan.routes[slug],
            self._plan.lanes,
            self._plan.max_body_bytes,
            asked,
            documents=self._documents,
            evaluator=self._evaluator,
            reader=self._reader,
        )

    async def _count_replay(self, job: Job) -> Count | Fault:
        counting = Counting(self._reads, self._evaluator, self._tools.clock)
        return await counting.count(job, DRY_RUN_MAX_S)

    async def _check(self) -> ReloadFields:
        return (await would_reload(self._plan)).document()

    async def _test(self, name: str) -> TestFields:
        tools = self._tools
        attempts = Attempts(self._plan.lanes[name], replace(tools, evaluator=self._evaluator))
        attempt, delivered = await send_test(attempts, name, tools.clock.now_ms())
        return {"destination": name, "delivered": delivered, "attempt": attempt_fields(attempt)}
