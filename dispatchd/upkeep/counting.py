"""What a replay would replay: each page looked at, the filter asked, nothing changed."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from math import inf
from typing import Final, NamedTuple

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
from dispatchd.store.jobs import Candidate, Job, JobReads, Page
from dispatchd.upkeep.carrying import carries

BATCH_MAX: Final = 500  # deliveries: keeps each hold of the write lock to milliseconds


class Count(NamedTuple):
    """How many deliveries, by destination; not `complete` where it stopped before the end."""

    by_destination: Mapping[str, int]
    complete: bool


class Counting:
    """Looks at what jobs would replay."""

    def __init__(self, store: JobReads, evaluator: Evaluator, clock: Clock) -> None:
        self._reads = store
        self._evaluator = evaluator
        self._clock = clock

    async def count(self, job: Job, most_s: float = inf, most: float = inf) -> Count | Fault:
        """Count what a job would replay, for about so long, or until there are over `most`.

        A Fault is the evaluator's.
        """
        until_s = self._clock.monotonic_s() + most_s
        counts: dict[str, int] = {}
        while True:
            page = await self._reads.choose(job, BATCH_MAX)
            judged = await self._judge(job, page, until_s)
            if isinstance(judged, Fault):
                return judged
            if judged is None:
                return Count(counts, complete=False)
            for one in judged[0]:
                counts[one.destination] = counts.get(one.destination, 0) + 1
            if page.ends:
                return Count(counts, complete=True)
            if self._clock.monotonic_s() >= until_s or sum(counts.values()) > most:
                return Count(counts, complete=False)
            job = replace(job, cursor=page.cursor)

    async def _judge(
        self, job: Job, page: Page, until_s: float = inf
    ) -> tuple[list[Candidate], int] | Fault | None:
        """Return which candidates are let through, and of how many that cannot be told.

        None where it is `until_s` (monotonic) before that is known.
        """
        query = job.query
        if not query.asks:
            return list(page.candidates), 0
        chosen = compile_filter(query.filter)
        verdicts: dict[str, bool | None] = {}
        for event_id, event in page.events.items():
            if self._clock.monotonic_s() >= until_s:
                return None
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
