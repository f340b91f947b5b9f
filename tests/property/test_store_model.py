"""The SQLite store against a model of it: any order of writes, replays, restarts and pruning."""

import asyncio
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from nouns import NOW_MS, an_attempt, an_event
from replays import FAILED, replayed

from dispatchd.model import Dead, Delivered, Delivery, DeliveryStatus, ErrorClass, RetryAt
from dispatchd.store import Store, store_from_url
from dispatchd.store.base import Duplicate, Idempotency
from dispatchd.store.jobs import ReplayQuery
from dispatchd.store.retention import Cuts, prune_all

DESTINATIONS = ("audit", "crm")
OPEN = (DeliveryStatus.QUEUED, DeliveryStatus.RETRYING)
KEYS = st.none() | st.sampled_from("abc")
LINKS = st.lists(st.sampled_from(DESTINATIONS), unique=True)


@dataclass
class Owed:
    """What the model knows of one delivery."""

    due_ms: int
    status: DeliveryStatus = DeliveryStatus.QUEUED
    attempts: int = 0
    attempts_before: int = 0
    replays: int = 0


@dataclass
class Known:
    """What the model knows of one event."""

    received_ms: int
    owed: dict[str, Owed] = field(default_factory=dict)


class StoreModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.directory = tempfile.TemporaryDirectory()
        self.now_ms = NOW_MS
        self.events: dict[str, Known] = {}
        self.keys: dict[str, tuple[str, int]] = {}  # key -> first event, when it is forgotten
        self.in_flight: list[Delivery] = []
        self.store = self.open()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    def open(self) -> Store:
        store = store_from_url(f"sqlite:///{Path(self.directory.name)}/store.db")
        self.run(store.open())
        return store

    def teardown(self) -> None:
        self.run(self.store.close())
        self.runner.close()
        self.directory.cleanup()

    @rule(batch=st.lists(st.tuples(LINKS, KEYS, st.sampled_from([10, 1000])), min_size=1))
    def webhooks_come_at_once(self, batch: list[tuple[list[str], str | None, int]]) -> None:
        asked = [(an_event(received_ms=self.now_ms), *one) for one in batch]

        async def all_at_once() -> list[Any]:
            return await asyncio.gather(
                *(
                    self.store.add_event(
                        event,
                        links,
                        None if key is None else Idempotency(key, self.now_ms + kept),
                        claim=links[:1],
                    )
                    for event, links, key, kept in asked
                )
            )

        for (event, links, key, kept), answer in zip(asked, self.run(all_at_once()), strict=True):
            first, until_ms = self.keys.get(key or "", ("", 0))
            if key is not None and until_ms > self.now_ms:
                assert answer == Duplicate(first)
                continue
            if key is not None:
                self.keys[key] = (event.id, self.now_ms + kept)
            assert [d.destination for d in answer] == links[:1]
            self.in_flight += answer
            self.events[event.id] = Known(self.now_ms, {name: Owed(self.now_ms) for name in links})

    @rule(ms=st.sampled_from([1, 10, 5000]))
    def time_passes(self, ms: int) -> None:
        self.now_ms += ms

    @rule(destination=st.sampled_from(DESTINATIONS), limit=st.integers(1, 5))
    def deliveries_are_claimed(self, destination: str, limit: int) -> None:
        claimed = self.run(self.store.claim(destination, self.now_ms, limit, 1_000_000))
        held = {d.event_id for d in self.in_flight if d.destination == destination}
        due = sorted(
            (owed.due_ms, event_id)
            for event_id, event in self.events.items()
            for name, owed in event.owed.items()
            if name == destination and owed.status in OPEN and owed.due_ms <= self.now_ms
        )
        expected = [row for row in due if row[1] not in held]
        assert [(d.due_ms, d.event_id) for d, _ in claimed.ready] == expected[:limit]
        assert claimed.more or len(expected) <= limit
        self.in_flight += [delivery for delivery, _ in claimed.ready]

    @precondition(lambda self: self.in_flight)
    @rule(which=st.integers(0))
    def a_delivery_is_given_back(self, which: int) -> None:
        self.store.release(self.in_flight.pop(which % len(self.in_flight)))

    @precondition(lambda self: self.in_flight)
    @rule(
        which=st.integers(0), verdict=st.sampled_from(["delivered", "dead", "retry", "retry late"])
    )
    def an_attempt_ends(self, which: int, verdict: str) -> None:
        """Also one of a delivery that was replayed or pruned meanwhile."""
        delivery = self.in_flight.pop(which % len(self.in_flight))
        event = self.events.get(delivery.event_id)
        if event is None:
            self.store.release(delivery)
            return
        owed = event.owed[delivery.destination]
        assert owed.attempts == delivery.attempts  # nobody else had it in hand
        retry = RetryAt(self.now_ms + (5000 if verdict == "retry late" else 5))
        chosen = {"delivered": Delivered(), "dead": Dead()}.get(verdict, retry)
        error = None if verdict == "delivered" else ErrorClass.HTTP

        async def record() -> None:
            await self.store.record(delivery, an_attempt(delivery, error=error), chosen)

        self.run(record())
        owed.attempts += 1
        if owed.replays != delivery.replays:
            owed.attempts_before = owed.attempts
        else:
            owed.status = {
                Delivered: DeliveryStatus.SUCCESS,
                Dead: DeliveryStatus.FAILED,
                RetryAt: DeliveryStatus.RETRYING,
            }[type(chosen)]
            if isinstance(chosen, RetryAt):
                owed.due_ms = chosen.due_ms

    @rule(destination=st.none() | st.sampled_from(DESTINATIONS), failed=st.booleans())
    def events_are_replayed(self, destination: str | None, failed: bool) -> None:
        ids = [] if failed else list(self.events)[:2]
        if not failed and not ids:
            return
        query = ReplayQuery(ids, destination=destination, statuses=FAILED if failed else ())

        chosen = [
            owed
            for event_id, event in self.events.items()
            for name, owed in event.owed.items()
            if (owed.status is DeliveryStatus.FAILED if failed else event_id in ids)
            and destination in (None, name)
        ]
        assert self.run(replayed(self.store, query, self.now_ms)) == len(chosen)
        for owed in chosen:
            owed.status, owed.due_ms = DeliveryStatus.QUEUED, self.now_ms
            owed.attempts_before = owed.attempts
            owed.replays += 1

    @rule()
    def old_events_are_pruned(self) -> None:
        async def prune() -> int:
            batches = prune_all(self.store, Cuts(self.now_ms, self.now_ms - 10))
            return sum([pruned.events async for pruned in batches])

        gone = [
            event_id
            for event_id, event in self.events.items()
            if event.received_ms < self.now_ms
            and not any(owed.status in OPEN for owed in event.owed.values())
            and (
                event.received_ms < self.now_ms - 10
                or not any(owed.status is DeliveryStatus.FAILED for owed in event.owed.values())
            )
        ]
        assert self.run(prune()) == len(gone)
        for event_id in gone:
            del self.events[event_id]

    @rule()
    def whatever_has_ended_goes_for_the_size(self) -> None:
        """With a bound that nothing meets, all that is owed stays, and nothing else."""

        async def prune() -> int:
            batches = prune_all(self.store, Cuts(self.now_ms, self.now_ms, max_bytes=0))
            return sum([pruned.events async for pruned in batches])

        gone = [
            event_id
            for event_id, event in self.events.items()
            if event.received_ms < self.now_ms
            and not any(owed.status in OPEN for owed in event.owed.values())
        ]
        assert self.run(prune()) == len(gone)
        for event_id in gone:
            del self.events[event_id]

    @rule()
    def keys_are_forgotten(self) -> None:
        """What the model forgets by the clock alone, the store forgets in fact too."""
        ended = [key for key, (_, until_ms) in self.keys.items() if until_ms <= self.now_ms]
        assert self.run(self.store.forget(self.now_ms)) == len(ended)
        for key in ended:
            del self.keys[key]

    @rule(ms=st.sampled_from([10, 5000]))
    def the_clock_is_set_back(self, ms: int) -> None:
        """Every due time is what it was, in the time that is left until then."""
        self.now_ms -= ms
        self.run(self.store.keep_time(self.now_ms, ms))
        for event in self.events.values():
            for owed in event.owed.values():
                owed.due_ms -= ms
        self.in_flight = [replace(d, due_ms=d.due_ms - ms) for d in self.in_flight]

    @rule()
    def the_daemon_restarts(self) -> None:
        self.run(self.store.close())
        self.in_flight.clear()
        self.store = self.open()

    @invariant()
    def every_story_is_as_told(self) -> None:
        for event_id, event in list(self.events.items())[-5:]:
            story = self.run(self.store.get_event(event_id))
            assert story is not None
            assert story.event.received_ms == event.received_ms
            assert {
                d.destination: Owed(d.due_ms, d.status, d.attempts, d.attempts_before, d.replays)
                for d in story.deliveries
            } == event.owed
            counts = dict.fromkeys(event.owed, 0)
            for attempt in story.attempts:
                counts[attempt.destination] += 1
                assert attempt.number == counts[attempt.destination]
            assert counts == {name: owed.attempts for name, owed in event.owed.items()}


TestStoreModel = StoreModel.TestCase
TestStoreModel.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
