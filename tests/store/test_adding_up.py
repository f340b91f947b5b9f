"""Counts are the same whenever they are added up: with each batch, now and then, or never."""

import random
import sqlite3
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from asking import FAR_MS, MAX_BYTES, add, pruned
from nouns import NOW_MS, an_attempt, an_event

from dispatchd.model import Dead, Delivered, DeliveryStatus, ErrorClass, EventStatus, RetryAt
from dispatchd.store.counts import HOUR_S, MINUTE_S, within_ms
from dispatchd.store.sqlite import SqliteStore, writes
from dispatchd.store.sqlite.rows import statements

MINUTE_MS = 60_000
SPAN_MS = 3 * 3_600_000
BASE_MS = NOW_MS // SPAN_MS * SPAN_MS
LANES = ("crm", "audit")
VERDICTS = (
    (Delivered(), None, "success"),
    (RetryAt(NOW_MS), ErrorClass.TIMEOUT, "retrying"),
    (Dead(), ErrorClass.HTTP, "failed"),
)


class Walk:
    """A random walk over a database, and what it must have counted."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path = path
        self.dice = random.Random(seed)
        self.came: Counter[tuple[int, str, str]] = Counter()
        self.ended: Counter[tuple[int, str, str, int]] = Counter()
        self.killed: list[SqliteStore] = []

    async def start(self) -> None:
        self.store = SqliteStore(str(self.path))
        await self.store.open()
        await self.store.open_lanes(LANES)

    async def kill(self) -> None:
        """Go on as after a crash: what the process knew is gone."""
        self.killed.append(self.store)
        await self.start()

    def at_ms(self) -> int:
        return BASE_MS + self.dice.randrange(SPAN_MS)

    async def event(self) -> None:
        at_ms, endpoint = self.at_ms(), self.dice.choice("ab")
        status = self.dice.choice(list(EventStatus))
        event = an_event(received_ms=at_ms, endpoint=endpoint, status=status)
        await add(self.store, event, *self.dice.sample(LANES, self.dice.randrange(3)))
        self.came[at_ms // MINUTE_MS, endpoint, status] += 1

    async def attempt(self) -> None:
        lane = self.dice.choice(LANES)
        due = (await self.store.claim(lane, FAR_MS, 20, MAX_BYTES)).ready
        for delivery, _ in due[1:]:
            self.store.release(delivery)
        for delivery, _ in due[:1]:
            verdict, error, result = self.dice.choice(VERDICTS)
            at_ms, latency_ms = self.at_ms(), self.dice.uniform(0, 3000)
            made = replace(
                an_attempt(delivery, error=error), started_ms=at_ms, latency_ms=latency_ms
            )
            await self.store.record(delivery, made, verdict)
            self.ended[at_ms // MINUTE_MS, lane, result, within_ms(latency_ms)] += 1

    async def prune(self) -> None:
        await pruned(self.store, self.at_ms())

    async def check(self) -> None:
        for span_s in (MINUTE_S, HOUR_S):
            counted = await self.store.counts(span_s, BASE_MS, BASE_MS + SPAN_MS)
            span_ms = span_s * 1000
            came: Counter[tuple[object, ...]] = Counter()
            ended: Counter[tuple[object, ...]] = Counter()
            for (minute, *rest), count in self.came.items():
                came[minute * MINUTE_MS // span_ms * span_s, *rest] += count
            for (minute, *rest), count in self.ended.items():
                ended[minute * MINUTE_MS // span_ms * span_s, *rest] += count
            assert {(c.start_s, c.endpoint, c.result): c.count for c in counted.endpoints} == came
            assert {
                (c.start_s, c.destination, c.result, c.within_ms): c.count
                for c in counted.destinations
            } == ended

    async def check_sums(self) -> None:
        for since in (0, self.dice.randrange(SPAN_MS)):
            since_ms = BASE_MS + since // MINUTE_MS * MINUTE_MS
            until_ms = BASE_MS + SPAN_MS
            if any(minute * MINUTE_MS <= since_ms for minute, *_ in self.came):
                found = (await self.store.stats(since_ms, until_ms)).events
                expected: Counter[EventStatus] = Counter()
                for (minute, _, status), count in self.came.items():
                    if since_ms <= minute * MINUTE_MS < until_ms:
                        expected[EventStatus(status)] += count
                assert found == expected


@pytest.mark.parametrize(("add_up_s", "add_up_writes"), [(0.0, 1), (1e9, 7), (1e9, 1 << 30)])
@pytest.mark.parametrize("seed", range(6))
async def test_no_moment_of_adding_up_changes_what_is_counted(
    seed: int,
    add_up_s: float,
    add_up_writes: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writes, "ADD_UP_S", add_up_s)
    monkeypatch.setattr(writes, "ADD_UP_WRITES", add_up_writes)
    walk = Walk(tmp_path / "s.db", seed)
    await walk.start()
    steps = [walk.event] * 6 + [walk.attempt] * 8 + [walk.prune, walk.kill]
    for _ in range(120):
        await walk.dice.choice(steps)()
        await walk.check()
    await walk.check_sums()
    for store in (*walk.killed, walk.store):
        await store.close()


async def test_the_number_of_a_deleted_event_counts_again(tmp_path: Path) -> None:
    """The last events were pruned, and those that came next were taken for counted ones."""
    walk = Walk(tmp_path / "s.db", 1)
    await walk.start()
    for _ in range(5):
        await add(walk.store, an_event(received_ms=BASE_MS))
    assert await pruned(walk.store, BASE_MS + SPAN_MS) == (5, 0)
    await add(walk.store, an_event(received_ms=BASE_MS))
    counted = await walk.store.counts(MINUTE_S, BASE_MS, BASE_MS + 1)
    assert [c.count for c in counted.endpoints] == [6]
    await walk.store.close()


async def test_what_a_batch_could_not_keep_is_not_counted(tmp_path: Path) -> None:
    walk = Walk(tmp_path / "s.db", 1)
    await walk.start()
    event = an_event(received_ms=BASE_MS)
    await add(walk.store, event, "crm")
    with pytest.raises(Exception, match="UNIQUE"):
        await walk.store.add_event(event, ["crm"])
    counted = await walk.store.counts(MINUTE_S, BASE_MS, BASE_MS + 1)
    assert [c.count for c in counted.endpoints] == [1]
    stats = await walk.store.stats(0)
    assert [s.counts for s in stats.destinations if s.destination == "crm"] == [
        {DeliveryStatus.QUEUED: 1}
    ]
    await walk.store.close()


@pytest.mark.parametrize("name", ["uncounted_events", "uncounted_attempts"])
async def test_a_look_at_what_is_not_counted_is_at_that_alone(name: str, tmp_path: Path) -> None:
    walk = Walk(tmp_path / "s.db", 1)
    await walk.start()
    await walk.store.close()
    connection = sqlite3.connect(tmp_path / "s.db")
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statements()[name]}")]
    connection.close()
    assert any("USING INTEGER PRIMARY KEY (rowid>?)" in step for step in plan), plan
    assert not [step for step in plan if step.startswith("SCAN")], plan
