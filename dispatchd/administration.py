"""The admin listener wired to a running daemon: built where the config asks for it."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from dispatchd.admin.counters import Counters
from dispatchd.admin.listener import AdminListener
from dispatchd.admin.parts import AdminParts, Readiness
from dispatchd.admin.spec import AdminSpec
from dispatchd.certificates import FetchedCertificates
from dispatchd.deliver.attempt import Attempts
from dispatchd.deliver.lane import LaneTools
from dispatchd.deliver.testing import send_test
from dispatchd.evaluate.evaluator import Evaluator
from dispatchd.log import Log
from dispatchd.plan import Plan
from dispatchd.plan.explaining import explain_by_plan
from dispatchd.reading.reader import Reader
from dispatchd.receive.client_ip import ClientIp
from dispatchd.receive.explain import Inquiry
from dispatchd.shapes.attempted import TestFields
from dispatchd.shapes.event import attempt_fields
from dispatchd.store import Store, reads_from_url


class Administration:
    """The admin listener of one plan, with what it has of its own: reads, and an evaluator.

    So what is asked for out of curiosity takes no webhook's turn.
    """

    def __init__(
        self,
        spec: AdminSpec,
        plan: Plan,
        store: Store,
        tools: LaneTools,
        *,
        certificates: FetchedCertificates,
        counters: Counters,
        log: Log,
        look: Callable[[], None],
        readiness: Callable[[], Readiness],
    ) -> None:
        self._spec = spec
        self._plan = plan
        self._tools = tools
        self._certificates = certificates
        self._log = log
        self._exit = AsyncExitStack()
        self._reads = reads_from_url(plan.storage_url)
        self._evaluator = Evaluator(processes_max=1)
        self._reader = Reader()
        self._listener = AdminListener(
            AdminParts(
                spec=spec,
                reads=self._reads,
                store=store,
                health=tools.health,
                clock=tools.clock,
                log=log,
                client_ip=ClientIp(plan.trusted_proxies, unix=spec.listen.path is not None),
                slugs=plan.routes.keys(),
                destinations=plan.lanes.keys(),
                began_ms=tools.clock.now_ms(),
                look=look,
                explain=self._explain,
                test=self._test,
                readiness=readiness,
                commit_times=store.commit_times,
                evaluations=lambda: tools.evaluator.evaluations,
            ),
            counters,
        )
        self.port: int | None = None  # of a TCP listener, once started

    async def start(self) -> None:
        """Open what it reads by, then listen. Raises DispatchdError."""
        self._exit.push_async_callback(self._evaluator.close)
        self._exit.push_async_callback(self._reader.close)
        self._exit.push_async_callback(self._reads.close)
        await self._reads.open()
        self._exit.push_async_callback(self._listener.close)
        await self._listener.start()
        self.port = self._listener.port
        self._log.info("admin_started", listen=str(self._spec.listen), port=self.port)

    async def close(self) -> None:
        """Answer what has begun, then let go."""
        await self._exit.aclose()

    async def _explain(self, slug: str, asked: Inquiry) -> dict[str, Any]:
        return await explain_by_plan(
            self._plan.routes[slug],
            self._plan.lanes,
            self._plan.max_body_bytes,
            asked,
            certificates=self._certificates,
            evaluator=self._evaluator,
            reader=self._reader,
        )

    async def _test(self, name: str) -> TestFields:
        tools = self._tools
        attempts = Attempts(
            self._plan.lanes[name],
            sender=tools.sender,
            evaluator=self._evaluator,
            clock=tools.clock,
            roll=tools.roll,
            tell=tools.tell,
        )
        attempt, delivered = await send_test(attempts, name, tools.clock.now_ms())
        return {"destination": name, "delivered": delivered, "attempt": attempt_fields(attempt)}
