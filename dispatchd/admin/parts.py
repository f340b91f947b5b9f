"""What the admin listener is made of: whom it asks, and whom it tells."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from dispatchd.admin.spec import AdminSpec
from dispatchd.admin.stream.feed import Feed
from dispatchd.clock import Clock
from dispatchd.evaluate.evaluator import Evaluations, Fault
from dispatchd.frozen import frozen
from dispatchd.log import Log
from dispatchd.receive.client_ip import ClientIp
from dispatchd.receive.explain import Inquiry
from dispatchd.shapes.attempted import TestFields
from dispatchd.shapes.reload import ReloadFields
from dispatchd.store import Reads, Store
from dispatchd.store.commit_times import CommitTimes
from dispatchd.store.health import StoreHealth
from dispatchd.store.jobs import Job
from dispatchd.upkeep.counting import Count

if TYPE_CHECKING:
    from dispatchd.deliver.pull import PullLane

Explain = Callable[[str, Inquiry], Awaitable[dict[str, Any]]]
Reload = Callable[[], Awaitable[ReloadFields]]
CountReplay = Callable[[Job], Awaitable[Count | Fault]]
TestSend = Callable[[str], Awaitable[TestFields]]
Readiness = Literal["ok", "unavailable", "stopping"]


@frozen
class Running:
    """What is another when another config runs.

    `slugs` are those of active endpoints, and `began_ms` is when this config began to run
    (Unix ms).
    """

    spec: AdminSpec
    client_ip: ClientIp
    slugs: Collection[str]
    destinations: Collection[str]
    began_ms: int


@dataclass(slots=True)
class AdminParts:
    """What handlers have. `reads` holds nobody up; `store` is for what changes something.

    `look` has the lanes and the jobs look for what changed. `check` says what `reload` would do;
    `config_file` is the path of the file, empty where there is none. `queue` finds the lane of a
    queue by name, and `polls` counts the claims that wait.
    """

    running: Running
    reads: Reads
    feed: Feed
    store: Store
    health: StoreHealth
    clock: Clock
    log: Log
    look: Callable[[], None]
    explain: Explain
    test: TestSend
    count_replay: CountReplay
    readiness: Callable[[], Readiness]
    commit_times: Callable[[], CommitTimes]
    evaluations: Callable[[], Evaluations]
    reload: Reload
    check: Reload
    config_file: Callable[[], str]
    queue: "Callable[[str], PullLane | None]"
    polls: int = 0
