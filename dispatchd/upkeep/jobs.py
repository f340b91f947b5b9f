"""Jobs: those that go on get a batch each in turn, until the last one has ended."""

import asyncio
from typing import Final

from dispatchd.clock import Clock
from dispatchd.errors import StoreUnavailable
from dispatchd.evaluate.evaluator import Fault
from dispatchd.log import Log
from dispatchd.store.jobs import Job, Jobs, JobState
from dispatchd.upkeep.replaying import Replaying, pause_s

IDLE_S: Final = 30.0  # what another process adds is told within a second; this is for the case not
# Between batches, so that webhooks have the disk to themselves nearly all the time.
PAUSE_S: Final = 0.05
TROUBLE_S: Final = 1.0
FAULTS_MAX: Final = 60  # in a row, of the evaluator: a minute


class JobRunner:
    """Runs every job of the store. `look` says that there may be a new one."""

    def __init__(self, store: Jobs, replaying: Replaying, clock: Clock, log: Log) -> None:
        self._store = store
        self._replaying = replaying
        self._clock = clock
        self._log = log
        self._wake = asyncio.Event()
        self._next_s: dict[int, float] = {}  # when a job gets its next batch
        self._faults: dict[int, int] = {}  # in a row

    def look(self) -> None:
        """Look for new jobs soon."""
        self._wake.set()

    async def run(self) -> None:
        """Run jobs for ever."""
        while True:
            self._wake.clear()  # before looking: what is added meanwhile is seen next time
            await self._clock.wait(self._wake, await self.turn())

    async def turn(self) -> float:
        """Make a batch of each job whose time it is; return the seconds until the next."""
        try:
            jobs = await self._store.open_jobs()
            for job in jobs:
                if self._next_s.get(job.id, 0.0) <= self._clock.monotonic_s():
                    self._next_s[job.id] = self._clock.monotonic_s() + await self._batch(job)
        except StoreUnavailable:
            return TROUBLE_S  # others say so
        going = {job.id for job in jobs}
        self._next_s = {key: at_s for key, at_s in self._next_s.items() if key in going}
        self._faults = {key: count for key, count in self._faults.items() if key in going}
        soonest_s = min(self._next_s.values(), default=self._clock.monotonic_s() + IDLE_S)
        return max(0.0, soonest_s - self._clock.monotonic_s())

    async def _batch(self, job: Job) -> float:
        """Make a batch; return how long the job waits then, in seconds."""
        try:
            after = await self._replaying.step(job)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - a job that cannot run must not end the daemon
            await self._fail(job, repr(error))
            return PAUSE_S
        if isinstance(after, Fault):
            faults = self._faults[job.id] = self._faults.get(job.id, 0) + 1
            if faults >= FAULTS_MAX:
                await self._fail(job, f"its filter could not be asked: {after.reason}")
            return TROUBLE_S
        self._faults.pop(job.id, None)
        if after is None:
            return PAUSE_S
        if not after.open:
            self._log.info("job_ended", job=job.id, state=after.state, replayed=after.replayed)
        return max(PAUSE_S, pause_s(job, after))

    async def _fail(self, job: Job, reason: str) -> None:
        if await self._store.end_job(job.id, JobState.FAILED, self._clock.now_ms(), reason):
            self._log.error(
                "job_ended",
                job=job.id,
                state=JobState.FAILED,
                replayed=job.replayed,
                error=reason,
            )
