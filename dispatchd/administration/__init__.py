"""The admin listener over the life of a daemon: imported only where the plan has one."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dispatchd.deliver.lanes import Lanes
from dispatchd.deliver.tools import LaneTools
from dispatchd.facts import Tell
from dispatchd.handed import HandedSockets
from dispatchd.log import Log
from dispatchd.pinned import PinnedDocuments
from dispatchd.plan import Plan
from dispatchd.store import Store

if TYPE_CHECKING:
    from dispatchd.admin.counters import Counters
    from dispatchd.admin.dashboard.pulse import Pulse
    from dispatchd.admin.parts import Readiness, Reload
    from dispatchd.admin.stream.watch import StreamWatch
    from dispatchd.administration.wired import Wired


class Administration:
    """The admin listener of `plan`, and of those that follow it; of one without, nothing."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._watching = None if plan.admin is None else _watching()
        self._wired: Wired | None = None

    @property
    def watchers(self) -> Sequence[Tell]:
        """Who wants to be told facts."""
        return [] if self._watching is None else [one.watch for one in self._watching]

    @property
    def port(self) -> int | None:
        """The port of a TCP listener, once started."""
        return None if self._wired is None else self._wired.port

    async def start(
        self,
        store: Store,
        tools: LaneTools,
        *,
        documents: PinnedDocuments,
        log: Log,
        look: Callable[[], None],
        readiness: "Callable[[], Readiness]",
        reload: "Reload",
        lanes: Lanes,
        handed: HandedSockets,
    ) -> None:
        """Listen, where the plan says so. Raises DispatchdError."""
        if self._plan.admin is None or self._watching is None:
            return
        from dispatchd.administration.wired import Wired  # noqa: PLC0415 - only where it is used

        counters, pulse, stream = self._watching
        self._wired = Wired(
            self._plan.admin,
            self._plan,
            store,
            tools,
            documents=documents,
            counters=counters,
            pulse=pulse,
            stream=stream,
            log=log,
            look=look,
            readiness=readiness,
            reload=reload,
            lanes=lanes,
        )
        await self._wired.start(handed)

    def follow(self, plan: Plan) -> None:
        """Tell of another plan from here on. Its admin listener is where this one's is."""
        self._plan = plan
        if self._wired is not None and plan.admin is not None:
            self._wired.follow(plan.admin, plan)

    async def close(self) -> None:
        """Answer what has begun, then let go."""
        if self._wired is not None:
            await self._wired.close()


def _watching() -> "tuple[Counters, Pulse, StreamWatch]":
    from dispatchd.admin.counters import Counters  # noqa: PLC0415 - only where they are used
    from dispatchd.admin.dashboard.pulse import Pulse  # noqa: PLC0415 - likewise
    from dispatchd.admin.stream.watch import StreamWatch  # noqa: PLC0415 - likewise

    return Counters(), Pulse(), StreamWatch()
