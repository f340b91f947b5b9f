"""Whatever consumers do, and however often the daemon dies: nothing lost, nothing to two at once.

Real lanes over a real database. The model knows who was handed what until when: nobody else is
handed it before, what is acked in time is done, every claim is one attempt, and in the end nothing
is left over.
"""

import asyncio
import tempfile
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from nouns import an_event
from replays import replayed
from rig import FakeClock

from dispatchd.config import load
from dispatchd.deliver.answers import Leased
from dispatchd.deliver.courtesy import Courtesy
from dispatchd.deliver.lanes import Lanes
from dispatchd.deliver.pull import PullLane
from dispatchd.deliver.room import Room
from dispatchd.deliver.tools import LaneTools
from dispatchd.facts import Fact, InternalError
from dispatchd.model import DeliveryStatus, ErrorClass
from dispatchd.plan.compiling import compile_plan
from dispatchd.store import Store, store_from_url
from dispatchd.store.health import StoreHealth
from dispatchd.store.jobs import ReplayQuery

QUEUES = ("free", "strict")
CONFIG = """
admin: {{listen: '127.0.0.1:0'}}
endpoints: {{my-slug: {{auth: none, destinations: [free, strict]}}}}
destinations:
  free: {{type: pull, retry: {{max_attempts: 3, backoff: [2s], jitter: 0}}}}
  strict: {{type: pull, ordered: true, retry: {{max_attempts: 2, backoff: [2s], jitter: 0}}}}
storage: {{url: 'sqlite:///{path}'}}
"""


@dataclass
class Held:
    """What a consumer was handed, and until when (steady time, s)."""

    queue: str
    handed: Leased
    until_s: float
    ended: bool = False


async def claimed(lane: PullLane, most: int, lease_ms: int, wait_s: float) -> Sequence[Leased]:
    """Claim; the answer is read at once."""
    share = lane.answers.share()
    try:
        leased = await lane.claim(most, lease_ms, wait_s, lambda: False, share)
    finally:
        share.give_back()
    assert leased is not None  # there is room
    return leased


class Queues(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.directory = tempfile.TemporaryDirectory()
        config_path = Path(self.directory.name) / "config.yaml"
        database = Path(self.directory.name) / "s.db"
        config_path.write_text(CONFIG.format(path=database))
        self.plan = compile_plan(load(config_path))
        self.clock = FakeClock()
        self.events: list[str] = []
        self.held: list[Held] = []
        self.waiting: list[tuple[str, asyncio.Task[Sequence[Leased]]]] = []
        self.faults: list[object] = []
        self.run(self.start())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    async def start(self) -> None:
        self.store: Store = store_from_url(self.plan.storage_url)
        await self.store.open()
        await self.store.open_lanes(QUEUES)
        await self.store.order_lanes(["strict"])

        def tell(fact: Fact) -> None:
            if isinstance(fact, InternalError):
                self.faults.append(fact)

        tools = LaneTools(
            store=self.store,
            health=StoreHealth(self.faults.append),
            sender=None,  # type: ignore[arg-type]  # nothing is sent
            evaluator=None,  # type: ignore[arg-type]  # no link has a transform
            clock=self.clock,
            tell=tell,
            roll=lambda: 0.5,
            room=Room(2),
            courtesy=Courtesy(self.clock),
        )
        self.lanes = Lanes(list(self.plan.lanes.values()), tools)
        self.running = asyncio.create_task(self.lanes.run())
        for name in QUEUES:  # a queue hands out nothing before it knows what holds it
            while not self.lane(name)._begun:
                await self.store.version()

    async def die(self) -> None:
        for _, task in self.waiting:
            task.cancel()
        await asyncio.gather(*(task for _, task in self.waiting), return_exceptions=True)
        self.waiting.clear()
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        await self.store.close()

    def lane(self, queue: str) -> PullLane:
        lane = self.lanes.queue(queue)
        assert lane is not None
        return lane

    @rule(count=st.integers(1, 3))
    def events_come(self, count: int) -> None:
        async def come() -> None:
            for _ in range(count):
                event = an_event(received_ms=self.clock.now_ms())
                assert self.lanes.offer(QUEUES, 100) == []
                await self.store.add_event(event, QUEUES)
                self.lanes.push(event, [], QUEUES)
                self.events.append(event.id)

        self.run(come())

    @rule(queue=st.sampled_from(QUEUES), most=st.integers(1, 3), lease_s=st.sampled_from([1, 10]))
    def two_claim_at_once(self, queue: str, most: int, lease_s: int) -> None:
        self.run(self.claim(queue, most, lease_s))

    async def claim(self, queue: str, most: int, lease_s: int) -> int:
        lane = self.lane(queue)
        answers = await asyncio.gather(*(claimed(lane, most, lease_s * 1000, 0) for _ in range(2)))
        for answer in answers:
            await self.heard(queue, answer)
            if queue == "strict":
                for handed in answer:
                    await self.check_order(handed.event.id)
        return sum(map(len, answers))

    async def heard(self, queue: str, answer: Sequence[Leased]) -> None:
        """Note what was handed over, which must have been nobody's."""
        now_s, now_ms = self.clock.monotonic_s(), self.clock.now_ms()
        for handed in answer:
            lease = await self.store.find_lease(queue, handed.lease_id, now_ms)
            left_ms = 0 if lease is None else lease.delivery.due_ms - now_ms  # it may be over
            for other in self.held if lease is not None else ():
                if other.queue == queue and not other.ended and other.until_s > now_s:
                    assert other.handed.event.id != handed.event.id  # somebody has it
                    assert queue != "strict"  # one at a time
            self.held.append(Held(queue, handed, now_s + left_ms / 1000))

    @rule(queue=st.sampled_from(QUEUES))
    def somebody_waits(self, queue: str) -> None:
        async def begin() -> asyncio.Task[Sequence[Leased]]:
            return asyncio.create_task(claimed(self.lane(queue), 1, 5000, 30))

        self.waiting.append((queue, self.run(begin())))

    @invariant()
    def nobody_waits_for_what_is_due(self) -> None:
        self.run(self.settle())

    async def settle(self) -> None:
        for _ in range(6):  # turns of the loop and of the database's threads
            await self.store.version()
            await self.store.lane_states()
        for _ in range(1000):  # however long the disk takes
            if not await self.late():
                break
        for queue, task in [one for one in self.waiting if one[1].done()]:
            await self.heard(queue, task.result())
        self.waiting = [one for one in self.waiting if not one[1].done()]
        assert not await self.late()

    async def late(self) -> bool:
        """Whether somebody waits for a delivery of the free queue that is due."""
        if all(task.done() for queue, task in self.waiting if queue == "free"):
            return False
        (lane,) = [lane for lane in await self.store.lanes() if lane.destination == "free"]
        return lane.oldest_due_ms is not None and lane.oldest_due_ms <= self.clock.now_ms()

    async def check_order(self, event_id: str) -> None:
        """Nothing goes past what is owed and came before."""
        for earlier in self.events[: self.events.index(event_id)]:
            assert await self.status(earlier, "strict") in ("success", "failed")

    async def status(self, event_id: str, queue: str) -> str:
        story = await self.store.get_event(event_id)
        assert story is not None
        (found,) = [d.status.value for d in story.deliveries if d.destination == queue]
        return found

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0), word=st.sampled_from(["ack", "ack", "nack", "extend", "other"]))
    def a_consumer_says_something(self, which: int, word: str) -> None:
        """Of anything that it was ever handed."""
        held = self.held[-1 - which % len(self.held)]
        now_s = self.clock.monotonic_s()
        lease_id = held.handed.lease_id
        queue = held.queue
        if word == "other":
            queue = QUEUES[1 - QUEUES.index(queue)]
        ends = self.lane(queue).ends
        if word in ("ack", "other"):
            answer = self.run(ends.ack(lease_id))
        elif word == "nack":
            answer = self.run(ends.nack(lease_id, "no", 0))
        else:
            answer = self.run(ends.extend(lease_id, 5000))
        has_it = not held.ended and held.until_s > now_s and word != "other"
        assert (answer is not None) is has_it
        if has_it and word == "extend":
            held.until_s = max(held.until_s, now_s + 5)
        elif has_it:
            held.ended = True

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0))
    def two_say_something_at_once(self, which: int) -> None:
        held = self.held[-1 - which % len(self.held)]
        ends, lease_id = self.lane(held.queue).ends, held.handed.lease_id

        async def both() -> list[object]:
            asked = (ends.ack(lease_id), ends.nack(lease_id, "no", 0), ends.ack(lease_id))
            return await asyncio.gather(*asked)

        heard = [answer for answer in self.run(both()) if answer is not None]
        has_it = not held.ended and held.until_s > self.clock.monotonic_s()
        assert len(heard) == has_it
        held.ended = held.ended or has_it

    @rule(seconds=st.sampled_from([0.5, 1, 3, 20]))
    def time_passes(self, seconds: float) -> None:
        async def later() -> None:
            self.clock.advance(seconds)
            await self.store.version()  # let lanes and the database's threads have their say

        self.run(later())

    @rule(seconds=st.sampled_from([1, 100]))
    def the_clock_is_set_back(self, seconds: int) -> None:
        """No lease is longer for that, nor shorter."""
        self.clock.set_wall(-seconds)
        self.run(self.store.keep_time(self.clock.now_ms(), seconds * 1000))
        self.lanes.look()

    @precondition(lambda self: self.events)
    @rule(which=st.integers(0))
    def an_event_is_replayed(self, which: int) -> None:
        event_id = self.events[which % len(self.events)]
        self.run(replayed(self.store, ReplayQuery([event_id]), self.clock.now_ms()))
        self.lanes.look()

    @rule()
    def the_daemon_dies(self) -> None:
        async def again() -> None:
            await self.die()
            await self.start()

        self.run(again())

    def teardown(self) -> None:
        try:
            self.run(self.drain())
            assert self.faults == []
        finally:
            self.run(self.die())
            self.runner.close()
            self.directory.cleanup()

    async def drain(self) -> None:
        """Work off what is left: everything is handed to somebody, and then there is nothing."""
        self.clock.advance(60)  # nobody waits any longer, but for what is due just now
        await asyncio.gather(*(task for _, task in self.waiting))
        await self.settle()
        for _ in range(3 * len(self.events) + 3):
            for queue in QUEUES:
                await self.claim(queue, 100, 10)
            for held in self.held:
                if not held.ended and held.until_s > self.clock.monotonic_s():
                    assert await self.lane(held.queue).ends.ack(held.handed.lease_id) is not None
                    held.ended = True
            self.clock.advance(3)
        for event_id in self.events:
            story = await self.store.get_event(event_id)
            assert story is not None
            assert story.leased == {}
            for delivery in story.deliveries:
                name = delivery.destination
                assert delivery.status in (DeliveryStatus.SUCCESS, DeliveryStatus.FAILED)
                attempts = [a for a in story.attempts if a.destination == name]
                numbers = [a.number for a in attempts]
                assert numbers == list(range(1, delivery.attempts + 1))
                handed = [
                    one.handed.delivery.attempts + 1
                    for one in self.held
                    if one.queue == name and one.handed.event.id == event_id
                ]
                assert len(set(handed)) == len(handed)
                # What was leased and never heard of, since the daemon died, ran out.
                unheard = [a.error for a in attempts if a.number not in handed]
                assert set(unheard) <= {ErrorClass.LEASE}
                assert set(handed) <= set(numbers)


TestQueues = Queues.TestCase
TestQueues.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
