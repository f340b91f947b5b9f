"""One batch of a replay: look at the next page, ask the filter, replay what it lets through."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from math import ceil
from typing import Final

from dispatchd.clock import Clock
from dispatchd.evaluate.evaluator import Evaluator, Fault, NoResult, Value
from dispatchd.match import (
    Filter,
    JsonataFilter,
    Subject,
    compile_filter,
    subject_json,
    verdict_of,
)
from dispatchd.reading.subject import subject_of
from dispatchd.store.jobs import Candidate, Job, Jobs, Page
from dispatchd.upkeep.carrying import carries

BATCH_MAX: Final = 500  # deliveries: keeps each hold of the write lock to milliseconds
SPREAD_S: Final = 0.2  # with a rate, a batch is what falls due in this time, and at least one


class Replaying:
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
        self._store = store
        self._evaluator = evaluator
        self._clock = clock
        self._tell_replayed = replayed

    async def step(self, job: Job) -> Job | Fault | None:
        """Make one batch; return the job as it stands then.

        None where it had ended or moved on: read it again. A Fault is the evaluator's, with
        nothing done. Raises StoreUnavailable, likewise; ValueError for a filter that is none.
        """
        page = await self._store.choose(job, batch_size(job.rate))
        judged = await self._judge(job, page)
        if isinstance(judged, Fault):
            return judged
        chosen, undecided = judged
        moved = await self._store.advance(job, page, chosen, undecided, self._clock.now_ms())
        if moved is not None and chosen:
            self._tell_replayed({one.destination for one in chosen})
        return moved

    async def count(self, job: Job, most: int | None = None) -> Mapping[str, int] | Fault:
        """Count what a job would replay, by destination. Changes nothing.

        Stops where it has counted over `most`.
        """
        counts: dict[str, int] = {}
        while True:
            page = await self._store.choose(job, BATCH_MAX)
            judged = await self._judge(job, page)
            if isinstance(judged, Fault):
                return judged
            for one in judged[0]:
                counts[one.destination] = counts.get(one.destination, 0) + 1
            if page.ends or (most is not None and sum(counts.values()) > most):
                return counts
            job = replace(job, cursor=page.cursor)

    async def _judge(self, job: Job, page: Page) -> tuple[list[Candidate], int] | Fault:
        """Return which candidates are let through, and of how many that cannot be told."""
        query = job.query
        if not query.asks:
            return list(page.candidates), 0
        chosen = compile_filter(query.filter)
        verdicts: dict[str, bool | None] = {}
        for event_id, event in page.events.items():
            ask = partial(self._ask, subject_of(event), f"filter of job {job.id}")
            verdict = True if chosen is None else await ask(chosen)
            if verdict is True and query.to is not None:
                verdict = await carries(query.links[event.endpoint], event.event_type, ask)
            if isinstance(verdict, Fault):
                return verdict
            verdicts[event_id] = verdict
            await asyncio.sleep(0)  # a page of a plain filter must not keep the lanes waiting
        passed = [one for one in page.candidates if verdicts[one.event_id]]
        return passed, sum(verdicts[one.event_id] is None for one in page.candidates)

    async def _ask(self, subject: Subject, owner: str, chosen: Filter) -> bool | Fault | None:
        """Ask about one event; None where the filter says neither true nor false."""
        if not isinstance(chosen, JsonataFilter):
            return chosen.lets_through(subject)
        result = await self._evaluator.evaluate(
            chosen.expression, subject_json(subject), owner=owner
        )
        match result:
            case Value(json=yielded):
                return verdict_of(yielded)
            case NoResult():
                return None
            case Fault():
                return result


def batch_size(rate: float | None) -> int:
    """Return how many deliveries a batch may be of, at `rate` a second."""
    return BATCH_MAX if rate is None else max(1, min(BATCH_MAX, ceil(rate * SPREAD_S)))


def pause_s(before: Job, after: Job) -> float:
    """Return how long a job with a rate waits after a batch."""
    return 0.0 if after.rate is None else (after.replayed - before.replayed) / after.rate
