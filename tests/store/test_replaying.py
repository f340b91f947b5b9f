"""The jobs duty over a real store: turns, rates, and what a job that cannot run comes to."""

from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Any

import pytest
from asking import add
from locks import write_lock
from nouns import NOW_MS, an_attempt, an_event
from replays import FAILED
from rig import FakeClock, RecordingLog

from dispatchd.evaluate.evaluator import Evaluator, Fault, Result
from dispatchd.model import Dead
from dispatchd.store.jobs import Job, JobState, ReplayQuery
from dispatchd.store.sqlite import SqliteStore
from dispatchd.upkeep.counting import Count, Counting
from dispatchd.upkeep.jobs import FAULTS_MAX, IDLE_S, PAUSE_S, TROUBLE_S, JobRunner
from dispatchd.upkeep.replaying import Replaying


class OutOfProcesses(Evaluator):
    """An evaluator on a machine where no process starts."""

    async def evaluate(self, *_: Any, **__: Any) -> Result:
        return Fault("no process to evaluate it")


class Rig:
    """A store with failed deliveries, a clock, and the duty."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = FakeClock()
        self.log = RecordingLog()
        self.store = SqliteStore(str(path), busy_timeout_ms=1)
        self.evaluator = Evaluator()
        self.told: list[Collection[str]] = []
        self.use(self.evaluator)

    def use(self, evaluator: Evaluator) -> None:
        replaying = Replaying(self.store, evaluator, self.clock, self.told.append)
        self.runner = JobRunner(self.store, replaying, self.clock, self.log)

    async def fail(self, count: int, **fields: Any) -> None:
        for _ in range(count):
            (crm,) = await add(self.store, an_event(**fields), "crm")
            await self.store.record(crm, an_attempt(crm), Dead())

    async def ask(self, rate: float | None = None, **fields: Any) -> int:
        query = ReplayQuery(**{"statuses": FAILED, **fields})
        return (await self.store.add_job(query, rate, NOW_MS)).id

    async def job(self, job_id: int) -> Job:
        job = await self.store.get_job(job_id)
        assert job is not None
        return job


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path / "s.db")
    await rig.store.open()
    await rig.store.open_lanes(["crm"])
    yield rig
    await rig.evaluator.close()
    await rig.store.close()


async def test_without_jobs_the_duty_waits(rig: Rig) -> None:
    assert await rig.runner.turn() == IDLE_S


async def test_a_rate_is_kept_and_lanes_are_told(rig: Rig) -> None:
    await rig.fail(7)
    job_id = await rig.ask(rate=10.0)
    for done in (2, 4, 6, 7):
        wait_s = await rig.runner.turn()
        assert (await rig.job(job_id)).replayed == done
        if done < 7:
            assert wait_s == pytest.approx(0.2)
            assert await rig.runner.turn() == pytest.approx(0.2)  # woken early: it waits on
            assert (await rig.job(job_id)).replayed == done
            rig.clock.advance(wait_s)
    assert (await rig.job(job_id)).state is JobState.DONE
    assert rig.told == [{"crm"}] * 4
    assert rig.log.of("job_ended", job=job_id, state="done", replayed=7)
    assert await rig.runner.turn() == IDLE_S


async def test_a_slow_rate_makes_one_at_a_time(rig: Rig) -> None:
    await rig.fail(2)
    await rig.ask(rate=0.5)
    assert await rig.runner.turn() == pytest.approx(2.0)


async def test_a_slow_job_keeps_no_other_waiting(rig: Rig) -> None:
    await rig.fail(600)
    slow, quick = await rig.ask(rate=1.0), await rig.ask()
    assert await rig.runner.turn() == PAUSE_S
    rig.clock.advance(PAUSE_S)
    await rig.runner.turn()
    assert (await rig.job(slow)).replayed == 1
    assert (await rig.job(quick)).state is JobState.DONE
    assert (await rig.job(quick)).replayed == 599


async def test_a_filter_is_asked_over_what_an_endpoints_filter_sees(rig: Rig) -> None:
    form = "application/x-www-form-urlencoded"
    await rig.fail(1, body=b'payload={"n":7}', content_type=form)
    await rig.fail(1, body=b'{"n":1e999}')
    await rig.fail(1, body=b'{"n":2}', headers=(("X-Mode", "live"),))
    await rig.fail(1, body=b"no document", content_type="text/plain")
    plain = await rig.ask(filter={"body.n": 2, "headers.x-mode": "live"})
    for _ in range(2):
        await rig.runner.turn()
    assert (await rig.job(plain)).replayed == 1
    asked = await rig.ask(filter='body.n > 5 or event_type = "closed"')
    rig.clock.advance(PAUSE_S)
    await rig.runner.turn()
    ended = await rig.job(asked)
    assert (ended.state, ended.replayed, ended.undecided) == (JobState.DONE, 2, 0)


async def test_a_replays_filter_reads_no_body_that_receiving_refused_to_read(rig: Rig) -> None:
    """It read NaN, and a byte order mark, where an endpoint's filter had found no document."""
    for body in (b'{"n":NaN}', b'\xef\xbb\xbf{"n":1}'):
        await rig.fail(1, body=body, content_type="application/octet-stream")
    plain = await rig.ask(filter={"body.n": 1})
    asked = await rig.ask(filter="$exists(body.n)")
    for job_id in (plain, asked):
        while (await rig.job(job_id)).open:
            await rig.runner.turn()
        assert (await rig.job(job_id)).replayed == 0


async def test_a_filter_that_says_neither_is_counted(rig: Rig) -> None:
    await rig.fail(3)
    job_id = await rig.ask(filter="body.nothing_there")
    await rig.runner.turn()
    job = await rig.job(job_id)
    assert (job.replayed, job.undecided, job.looked) == (0, 3, 3)
    assert rig.told == []


async def test_a_job_that_cannot_run_fails_and_the_duty_lives(rig: Rig) -> None:
    await rig.fail(1)
    wrong, right = await rig.ask(filter={"nowhere": 1}), await rig.ask()
    await rig.runner.turn()
    job = await rig.job(wrong)
    assert job.state is JobState.FAILED
    assert "is no path" in (job.error or "")
    assert rig.log.of("job_ended", job=wrong, state="failed")
    assert (await rig.job(right)).replayed == 1


async def test_without_an_evaluator_a_job_waits_and_then_fails(rig: Rig) -> None:
    await rig.fail(1)
    job_id = await rig.ask(filter="true")
    rig.use(OutOfProcesses())
    for _ in range(FAULTS_MAX - 1):
        assert await rig.runner.turn() == TROUBLE_S
        rig.clock.advance(TROUBLE_S)
    assert (await rig.job(job_id)).state is JobState.QUEUED
    await rig.runner.turn()
    job = await rig.job(job_id)
    assert (job.state, job.error) == (
        JobState.FAILED,
        "its filter could not be asked: no process to evaluate it",
    )


async def test_a_store_in_trouble_is_waited_for(rig: Rig) -> None:
    await rig.fail(1)
    job_id = await rig.ask()
    with write_lock(rig.path):
        assert await rig.runner.turn() == TROUBLE_S
    await rig.runner.turn()
    assert (await rig.job(job_id)).replayed == 1


@pytest.mark.parametrize("chosen", [None, {"body.a": 1}, "body.a = 1"])
async def test_a_count_that_runs_out_of_time_says_so(rig: Rig, chosen: Any) -> None:
    """Each question takes its time: a history without an end would be counted without one."""

    class Slow(FakeClock):
        def monotonic_s(self) -> float:
            self.advance(1.0)
            return self.steady_s

    await rig.fail(1200)
    job = await rig.store.draft_job(ReplayQuery(statuses=FAILED, filter=chosen), None, NOW_MS)
    whole = await Counting(rig.store, rig.evaluator, FakeClock()).count(job, 10.0)
    assert whole == Count({"crm": 1200}, complete=True)
    cut = await Counting(rig.store, rig.evaluator, Slow()).count(job, 1.0)
    assert isinstance(cut, Count)
    assert not cut.complete
    assert cut.by_destination.get("crm", 0) < 1200


async def test_a_count_stops_beyond_what_is_asked_for(rig: Rig) -> None:
    """Whoever only wants to know whether they are many waits for no history."""
    await rig.fail(1200)
    job = await rig.store.draft_job(ReplayQuery(statuses=FAILED), None, NOW_MS)
    counting = Counting(rig.store, rig.evaluator, FakeClock())
    assert await counting.count(job, most=400) == Count({"crm": 500}, complete=False)
    assert await counting.count(job, most=1200) == Count({"crm": 1200}, complete=True)
