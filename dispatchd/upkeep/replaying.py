"""One batch of a replay: look at the next page, ask the filter, replay what it lets through."""

from collections.abc import Callable, Collection
from math import ceil
from typing import Final

from dispatchd.clock import Clock
from dispatchd.evaluate.evaluator import Evaluator, Fault
from dispatchd.store.jobs import Job, Jobs
from dispatchd.upkeep.counting import BATCH_MAX, Counting

SPREAD_S: Final = 0.2  # with a rate, a batch is what falls due in this time, and at least one


class Replaying(Counting):
    """Runs replays, batch by batch; any number of processes may run the same one.

    `replayed` is told the destinations that have something due now.
    """

    def __init__(
        self,
        store: Jobs,
        evaluator: Evaluator,
        clock: Clock,
        replayed: Callable[[Collection[str]], None] = lambda _: None,
    ) -> None:
        super().__init__(store, evaluator, clock)
        self._store = store
        self._tell_replayed = replayed

    async def step(self, job: Job) -> Job | Fault | None:
        """Make one batch; return the job as it stands then.

        None where it had ended or moved on: read it again. A Fault is the evaluator's, with
        nothing done. Raises StoreUnavailable, likewise; ValueError for a filter that is none.
        """
        page = await self._store.choose(job, batch_size(job.rate))
        judged = await self._judge(job, page)
        if judged is None or isinstance(judged, Fault):
            return judged
        chosen, undecided = judged
        moved = await self._store.advance(job, page, chosen, undecided, self._clock.now_ms())
        if moved is not None and chosen:
            self._tell_replayed({one.destination for one in chosen})
        return moved


def batch_size(rate: float | None) -> int:
    """Return how many deliveries a batch may be of, at `rate` a second."""
    return BATCH_MAX if rate is None else max(1, min(BATCH_MAX, ceil(rate * SPREAD_S)))


def pause_s(before: Job, after: Job) -> float:
    """Return how long a job with a rate waits after a batch."""
    return 0.0 if after.rate is None else (after.replayed - before.replayed) / after.rate
