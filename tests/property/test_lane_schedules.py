"""Whatever order pushes, looks, pauses, replays, failures and slow reads come in: none goes twice.

Real lanes over a real database; only the destination, the clock and the slowness of reads are
made up. Between two replays each delivery has at most one success, every attempt that was sent is
recorded, in the end nothing is left over, and nothing is overslept. An ordered lane sends what is
first among the owed.
"""

import asyncio
import random
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nouns import an_event
from replays import replayed
from rig import FakeClock

from dispatchd.config import load
from dispatchd.deliver.courtesy import Courtesy
from dispatchd.deliver.lanes import Lanes
from dispatchd.deliver.room import Room
from dispatchd.deliver.tools import LaneTools
from dispatchd.facts import Fact, InternalError
from dispatchd.model import DeliveryStatus, HoldKind, Outcome, Reply, Request, event_bytes
from dispatchd.plan.compiling import compile_plan
from dispatchd.store import group_commit
from dispatchd.store.health import StoreHealth
from dispatchd.store.jobs import ReplayQuery
from dispatchd.store.sqlite import SqliteStore
from dispatchd.store.sqlite.rows import from_key

DESTINATIONS = ("a", "b", "c", "d")
CONFIG = """
endpoints: {{my-slug: {{auth: none, destinations: [a, b, c, d]}}}}
destinations:
  a: {{url: 'http://a/', max_in_flight: 2, retry: {{max_attempts: 2, backoff: [1s], jitter: 0}}}}
  b: {{url: 'http://b/', max_in_flight: 1, retry: {{max_attempts: 3, backoff: [1s], jitter: 0}}}}
  c: {{url: 'http://c/', retry: {{max_attempts: 3, backoff: [1s], jitter: 0}},
      breaker: {{open_after: 2, probe_every: 1s, max_probe_every: 4s}}}}
  d: {{url: 'http://d/', ordered: true, retry: {{max_attempts: 2, backoff: [1s], jitter: 0}}}}
storage: {{url: 'sqlite:///{path}'}}
"""
STEPS = st.lists(
    st.sampled_from(
        ["events", "turn", "turns", "answer", "read", "second", "replay", "slow", "hold", "resume"]
    ),
    min_size=10,
    max_size=60,
)


@pytest.fixture(autouse=True, scope="module")
def _impatient() -> Iterator[None]:
    """Have results wait for the next turn at most: the clock here does not wait with them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(group_commit, "PATIENCE_S", 0.0)
        yield


class Reluctant(Courtesy):
    """Has a drain wait now and then, and wakes it at the next turn: nothing may be left over."""

    def __init__(self, roll: random.Random, clock: FakeClock) -> None:
        super().__init__(clock)
        self._roll = roll

    def allows(self, again: Callable[[], None]) -> bool:
        if self._roll.random() < 0.3:
            asyncio.get_running_loop().call_soon(again)
            return False
        return True


class World:
    """Lanes, and everything around them under the test's thumb."""

    def __init__(self, path: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.clock = FakeClock()
        self.config_path = path / "config.yaml"
        self.config_path.write_text(CONFIG.format(path=path / "s.db"))
        self.path = path / "s.db"
        self.store = SqliteStore(str(self.path))
        self.sent: Counter[tuple[str, str]] = Counter()
        self.succeeded: Counter[tuple[str, str]] = Counter()
        self.replayed: Counter[tuple[str, str]] = Counter()
        self.unanswered: list[asyncio.Future[int]] = []
        self.unread: list[asyncio.Future[None]] = []
        self.slow = False
        self.always_well = False
        self.faults: list[Fact] = []
        self.ids: list[str] = []
        self.out_of_order: list[str] = []
        self.may_be_late = False  # what was claimed before a replay goes before it

    async def __aenter__(self) -> Self:
        await self.store.open()
        await self.store.open_lanes(DESTINATIONS)
        await self.store.order_lanes(["d"])
        reader = self.store._reader
        assert reader is not None
        run = reader.run

        async def answer_slowly(asked: "asyncio.Future[Any]") -> Any:
            rows = await asked
            if self.slow:
                turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self.unread.append(turn)
                await turn
            return rows

        reader.run = lambda work: asyncio.create_task(answer_slowly(run(work)))  # type: ignore[method-assign]
        config = load(self.config_path)
        tools = LaneTools(
            store=self.store,
            health=StoreHealth(self.faults.append),  # type: ignore[arg-type]
            sender=self,
            evaluator=None,  # type: ignore[arg-type]  # no link has a transform
            clock=self.clock,
            tell=lambda fact: self.faults.append(fact) if isinstance(fact, InternalError) else None,
            roll=self.random.random,
            room=Room(4),
            courtesy=Reluctant(self.random, self.clock),
        )
        self.specs = compile_plan(config).lanes
        self.lanes = Lanes(list(self.specs.values()), tools)
        self.running = asyncio.create_task(self.lanes.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.lanes.stop(5, asyncio.Event())
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        await self.store.close()

    async def send(self, request: Request) -> Outcome:
        key = (request.headers["X-Dispatch-Event-ID"], request.url[7])
        self.sent[key] += 1
        if key[1] == "d":
            self.check_order(key[0])
        status = 200
        if not self.always_well:
            answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            self.unanswered.append(answer)
            status = await answer
        self.succeeded[key] += status == 200
        return Reply(status, (), b"", 1.0)

    async def step(self, step: str) -> None:  # noqa: C901 - a case for each step
        match step:
            case "events":
                await asyncio.gather(*(self.event() for _ in range(self.random.randint(1, 4))))
            case "answer":
                if self.unanswered:
                    index = self.random.randrange(len(self.unanswered))
                    self.unanswered.pop(index).set_result(self.random.choice([200, 500, 410]))
            case "read":
                if self.unread:
                    self.unread.pop(self.random.randrange(len(self.unread))).set_result(None)
            case "second":
                self.clock.advance(1.0)
            case "replay":
                await self.replay()
            case "slow":
                self.slow = not self.slow
            case "hold":
                await self.hold(self.random.choice(DESTINATIONS))
            case "resume":
                await self.resume()
            case "turns":  # let the database's threads have their say
                await self.store.version()
        await asyncio.sleep(0)

    async def event(self) -> None:
        event = an_event(received_ms=self.clock.now_ms())
        offered = self.lanes.offer(DESTINATIONS, event_bytes(event))
        added = await self.store.add_event(event, DESTINATIONS, claim=offered)
        assert isinstance(added, list)
        self.ids.append(event.id)
        self.lanes.push(event, added, DESTINATIONS)

    async def replay(self) -> None:
        if not self.ids:
            return
        event_id = self.random.choice(self.ids)
        for destination in DESTINATIONS:
            self.replayed[event_id, destination] += 1
        was_slow, self.slow = self.slow, False
        self.may_be_late = True
        await replayed(self.store, ReplayQuery([event_id]), self.clock.now_ms())
        self.slow = was_slow
        self.lanes.look()

    def check_order(self, event_id: str) -> None:
        """Note a delivery that went out while another was owed whose event was kept before."""
        with closing(sqlite3.connect(self.path)) as reader:
            (first,) = reader.execute(
                "SELECT e.id FROM deliveries d JOIN events e ON e.id = d.event_id"
                " WHERE d.destination = 'd' AND d.status IN ('queued', 'retrying')"
                " ORDER BY e.seq LIMIT 1"
            ).fetchone()
        if from_key(first) != event_id and not self.may_be_late:
            self.out_of_order.append(event_id)
        self.may_be_late = False

    async def hold(self, destination: str) -> None:
        await self.store.hold_lane(destination, HoldKind.PAUSED, "", self.clock.now_ms())
        self.lanes.look()

    async def resume(self) -> None:
        for destination in DESTINATIONS:
            await self.store.open_lane(
                destination, HoldKind.PAUSED, HoldKind.BREAKER, HoldKind.GONE
            )
        self.lanes.look()

    async def settle(self) -> None:
        """Everything is well from now on: what is owed is worked off when it is due, not later.

        Half a minute would pass for every lane that overslept: 15 s are fewer.
        """
        self.slow, self.always_well = False, True
        for second in range(15):
            for _ in range(10):
                for waiting in (*self.unanswered, *self.unread):
                    waiting.set_result(200)  # type: ignore[arg-type]
                self.unanswered.clear()
                self.unread.clear()
                await self.store.ping()
            if second < 5:  # a 410 of before may be kept only now
                await self.resume()
            if not await self.owed():
                return
            self.clock.advance(1.0)
        raise AssertionError(f"left over: {await self.owed()}")

    async def owed(self) -> int:
        stats = await self.store.stats(0)
        ended = (DeliveryStatus.SUCCESS, DeliveryStatus.FAILED)
        return sum(
            count
            for lane in stats.destinations
            for status, count in lane.counts.items()
            if status not in ended
        )


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, seed=st.integers(0, 2**32))
def test_without_a_crash_nothing_is_sent_twice(steps: list[str], seed: int) -> None:
    async def scenario() -> None:
        with tempfile.TemporaryDirectory() as directory:
            async with World(Path(directory), seed) as world:
                for step in steps:
                    await world.step(step)
                await world.settle()
                assert world.faults == []
                assert world.out_of_order == []
                for event_id in world.ids:
                    story = await world.store.get_event(event_id)
                    assert story is not None
                    for delivery in story.deliveries:
                        key = (event_id, delivery.destination)
                        attempts = [
                            a for a in story.attempts if a.destination == delivery.destination
                        ]
                        assert len(attempts) == world.sent[key]
                        assert world.succeeded[key] <= 1 + world.replayed[key]
                        assert [a.number for a in attempts] == list(range(1, len(attempts) + 1))

    asyncio.run(scenario())


def test_a_lane_that_becomes_ordered_while_it_looks_keeps_the_order(tmp_path: Path) -> None:
    """What it was handed came as it was due; in order there is another first."""

    async def scenario() -> None:
        async with World(tmp_path, 0) as world:
            for _ in range(9):
                await world.store.ping()  # until the lanes have looked in vain
            now_ms = world.clock.now_ms()
            events = [an_event(received_ms=now_ms - due_before_ms) for due_before_ms in (0, 1000)]
            for event in events:
                await world.store.add_event(event, ["a"])
            world.slow = True
            world.lanes.look(["a"])
            while len(world.unread) < 2:  # the holds, and what is due
                await world.store.version()
            await world.store.order_lanes(["a", "d"])
            world.lanes.change([replace(world.specs["a"], ordered=True, max_in_flight=1)], (), ())
            await world.settle()
            assert list(world.sent) == [(event.id, "a") for event in events]

    asyncio.run(scenario())
