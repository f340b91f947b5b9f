"""Jobs, as commands run them: watched while a daemon runs them, run here where there is none."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from dispatchd.cli.progress import counted
from dispatchd.clock import SystemClock
from dispatchd.errors import DispatchdError

if TYPE_CHECKING:
    from dispatchd.store import Store
    from dispatchd.store.jobs import Job, Jobs
    from dispatchd.upkeep.replaying import Replaying

POLL_S: Final = 0.2  # how often a job that the daemon runs is looked at
FAULTS_MAX: Final = 3  # of the evaluator, in a row

T = TypeVar("T")


@asynccontextmanager
async def replaying(store: "Jobs") -> "AsyncIterator[Replaying]":
    """Give what runs replays in this process."""
    from dispatchd.evaluate.evaluator import Evaluator  # noqa: PLC0415 - not for --help
    from dispatchd.upkeep.replaying import Replaying  # noqa: PLC0415 - likewise

    evaluator = Evaluator()
    try:
        yield Replaying(store, evaluator, SystemClock())
    finally:
        await evaluator.close()


async def follow(store: "Store", job: "Job", expected: int | None) -> "Job":
    """See a job to its end, telling how far it is; return it as it ended.

    While a daemon has the database it runs the job, else this process does: whoever does a
    batch moves the job on, so that a change from one to the other does nothing twice.
    """
    last = job

    async def batches() -> AsyncIterator[int]:
        nonlocal last
        async with replaying(store) as here:
            while last.open:
                before = last
                last = await (_watch(store, before) if store.served() else _run(store, here, last))
                yield last.replayed - before.replayed

    await counted(batches(), "replayed", "delivery", expected)
    return last


async def _watch(store: "Jobs", job: "Job") -> "Job":
    """Return a job that another process runs, after a while."""
    await asyncio.sleep(POLL_S)
    return await _again(store, job)


async def _run(store: "Jobs", here: "Replaying", job: "Job") -> "Job":
    """Make one batch, and wait as the job's rate asks."""
    from dispatchd.evaluate.evaluator import Fault  # noqa: PLC0415 - not for --help
    from dispatchd.upkeep.replaying import pause_s  # noqa: PLC0415 - likewise

    after = await here.step(job)
    for _ in range(FAULTS_MAX - 1):
        if isinstance(after, Fault):
            after = await here.step(job)
    if isinstance(after, Fault):
        raise DispatchdError(f"the filter could not be asked: {after.reason}; job {job.id} waits")
    if after is None:
        return await _again(store, job)
    if after.open:
        await asyncio.sleep(pause_s(job, after))
    return after


async def _again(store: "Jobs", job: "Job") -> "Job":
    found = await store.get_job(job.id)
    if found is None:  # pruned already
        raise DispatchdError(f"there is no job {job.id} any more")
    return found


def interruptible(work: Callable[[list[int]], Awaitable[T]]) -> T:
    """Run `work`, which puts the job that it began into its list; a Ctrl-C says what becomes."""
    started: list[int] = []

    async def inside() -> T:
        return await work(started)

    try:
        return asyncio.run(inside())
    except KeyboardInterrupt:
        if not started:
            raise
        number = started[-1]
        raise DispatchdError(
            f"job {number} is not over: the daemon goes on with it, or `dispatchd jobs run`;"
            f" `dispatchd jobs cancel {number}` ends it"
        ) from None
