"""A lane: all that is owed to one destination, and how it is worked off.

A lane is independent of every other: its own backlog, its own bound on exchanges under way, its
own gates. What it holds is claimed: it ends in `record` or `release`, whatever is raised.
"""

import asyncio
from typing import Final

from dispatchd.deliver.any_lane import DONE_POLL_S
from dispatchd.deliver.attempt import Attempts
from dispatchd.deliver.backlog import (
    CLAIM_MAX,
    LOOK_EVERY_S,
    READY_MAX,
    ROOM_POLL_S,
    Backlog,
)
from dispatchd.deliver.condition import Condition
from dispatchd.deliver.record import Recorder
from dispatchd.deliver.spec import LaneSpec
from dispatchd.deliver.tools import LaneTools
from dispatchd.errors import StoreUnavailable
from dispatchd.facts import DrainCut
from dispatchd.model import (
    Dead,
    Delivered,
    Delivery,
    Event,
    Hold,
    Judged,
    RetryAt,
    Verdict,
)

RECORD_DRAIN_S: Final = 2.0  # for the results of a drain to be written
UNRECORDED_MAX: Final = 256  # exchanges ended but not yet written, before new ones wait
# The same while a backlog is worked off: results that come by the hundred hold up the events of
# others by tens of milliseconds, for a drain that is hardly faster.
DRAIN_UNRECORDED_MAX: Final = 8
SOON_S: Final = 1.0  # how long before its gates open a lane looks for what may start then


class Lane:
    """Delivers everything owed to one destination. Run `run` as a task; end with `stop`.

    While deliveries come from memory and there is room, `push` and the end of each exchange
    start the next one directly; `run` only looks into the store, and waits for the gates.
    """

    pulled: Final = False

    def __init__(self, spec: LaneSpec, tools: LaneTools, condition: Condition) -> None:
        self._spec = spec
        self._tools = tools
        self._clock = tools.clock
        self._health = tools.health
        self._tell = tools.tell
        self._condition = condition
        self._gates = condition.gates
        self._attempts = Attempts(spec, tools)
        self._recorder = Recorder(tools.store, tools.health, tools.clock, tools.tell, self._settled)
        self._wake = asyncio.Event()
        self._backlog = Backlog(
            spec.destination,
            tools.store,
            tools.clock,
            tools.room,
            self._wake.set,
            ready_max=self._ready_max(),
            in_order=spec.ordered,
        )
        self._ready = self._backlog.ready
        self._workers: set[asyncio.Task[None]] = set()
        self._probe: Delivery | None = None  # under way, since the breaker opened last
        self._full = False  # when `run` last went to sleep: not for how long it may
        self._stopping = False
        self._heard = True  # what the store keeps of it: a lane begins when it has
        self._surprise: BaseException | None = None

    # What receive asks: may a new event be claimed for this lane, and here it is

    def offer(self, size_bytes: int) -> bool:
        """Reserve room for a new event of `size_bytes`; False where it must wait in the store.

        What is reserved is either pushed or withdrawn.
        """
        return (
            self._condition.takes
            and not self._stopping
            and self._backlog.offer(size_bytes, failing=self._gates.failing)
        )

    def withdraw(self, size_bytes: int) -> None:
        """Give back what was reserved: the event was not kept."""
        self._backlog.withdraw(size_bytes)

    def push(self, delivery: Delivery, event: Event) -> None:
        """Take a delivery that was claimed for this lane as it was committed."""
        if self._stopping or not self._condition.takes:
            self._backlog.give_up(delivery, event)
            self.look()
            return
        self._ready.append((delivery, event))
        self._start()
        if self._ready and self._may_start():  # only the gates hold it back: `run` has to count
            self._wake.set()

    def look(self) -> None:
        """Look into the store soon: there is something new in it."""
        self._backlog.more_in_store = True
        if self._spec.ordered:
            self._backlog.give_up_ready()  # what is new may come before it
        if self._should_look():
            self._wake.set()

    def kept(self, holds: tuple[Hold, ...]) -> None:
        """Hear what the store keeps of why this lane is held."""
        self._condition.kept(holds)
        self._changed()
        if not self._heard:
            self._heard = True
            self._wake.set()

    # What a new config asks

    def change(self, spec: LaneSpec) -> None:
        """Go on by another spec of the same destination. What is under way ends by the old one."""
        reordered = spec.ordered != self._spec.ordered
        self._spec = spec
        self._attempts = Attempts(spec, self._tools)
        self._gates.change(spec.breaker, spec.gap_s, self._clock.monotonic_s())
        self._condition.order(in_order=spec.ordered)
        self._backlog.change(ready_max=self._ready_max(), in_order=spec.ordered)
        if reordered:
            self._backlog.give_up_ready()
        self._changed()
        self._wake.set()  # there may be more room, or a gate open that was shut

    def reopen(self) -> None:
        """Start again what `close` has ended, once it hears what holds it by now."""
        self._stopping = self._heard = False
        self._backlog.more_in_store = True
        self._wake.set()

    @property
    def done(self) -> bool:
        """Whether a closed lane has nothing in hand."""
        return not (self._workers or self._backlog.in_hand)

    @property
    def closed(self) -> bool:
        """Whether it starts nothing new."""
        return self._stopping

    async def linger(self) -> None:
        """Wait for a moment in which a closed lane may be done, or until it is reopened."""
        self._wake.clear()
        await self._clock.wait(self._wake, DONE_POLL_S)

    def _ready_max(self) -> int:
        return READY_MAX if self._spec.gap_s is None else self._gates.at_once(READY_MAX)

    # Life

    async def run(self) -> None:
        """Deliver until stopped. Whatever is raised here is a surprise."""
        while not self._stopping:
            self._wake.clear()  # before looking, never after: a push meanwhile must not be lost
            await self._health.wait_until_good()
            try:
                if self._should_look():
                    await self._look()
                self._start()
                wait_s = self._idle_s()
            except StoreUnavailable as error:
                self._health.failed(error)
                wait_s = ROOM_POLL_S  # `overloaded` and `closed` are no fault to wait out
            if wait_s > 0 and not self._stopping:
                await self._clock.wait(self._wake, wait_s)
            if self._surprise is not None:
                raise self._surprise
        self._backlog.give_up_ready()

    def busy(self) -> int:
        """Return how many exchanges are under way."""
        return len(self._workers)

    def close(self) -> None:
        """Start nothing new; what waits in memory waits in the store."""
        self._stopping = True
        self._wake.set()
        self._backlog.give_up_ready()

    async def stop(self, deadline_s: float, cut: asyncio.Event) -> None:
        """Close, and let exchanges under way end and be written, until `deadline_s` or `cut`."""
        self.close()
        if self._workers:
            hurry = asyncio.create_task(cut.wait())
            ending = asyncio.gather(*self._workers, return_exceptions=True)
            await asyncio.wait(
                (ending, hurry), timeout=deadline_s, return_when=asyncio.FIRST_COMPLETED
            )
            hurry.cancel()
            late = [task for task in self._workers if not task.done()]
            for task in late:  # unrecorded, so it will be sent again: at least once
                task.cancel()
            if late:
                self._tell(DrainCut(self._spec.destination, len(late)))
            await ending
        await self._recorder.drained(RECORD_DRAIN_S)

    # When to look, and to start

    def _should_look(self) -> bool:
        return self._may_start() and self._wants_look()

    def _wants_look(self) -> bool:
        now_s = self._clock.monotonic_s()
        if self._gates.fresh:
            return self._backlog.should_look(now_s, self._spec.max_in_flight)
        at_once = self._gates.at_once(self._spec.max_in_flight)
        if len(self._ready) >= at_once or self._gates.opens_at(now_s) > now_s + SOON_S:
            return False
        return self._backlog.should_look(now_s, at_once)

    async def _look(self) -> None:
        ordered = self._spec.ordered
        await self._backlog.look(self._gates.at_once(CLAIM_MAX), failing=self._gates.failing)
        paused = self._condition.state == "held" and self._gates.breaker.open is None
        if paused or ordered != self._spec.ordered:
            self._backlog.give_up_ready()  # it became so meanwhile

    def _idle_s(self) -> float:
        """Return how long (s) `run` has nothing to do, unless it is woken."""
        self._full = not self._may_start()
        if self._full:  # what ends that wakes us
            return ROOM_POLL_S if self._recorder.unwritten else LOOK_EVERY_S
        now_s = self._clock.monotonic_s()
        shut_s = max(0.0, self._gates.opens_at(now_s) - now_s)
        if self._ready:  # then only the gates hold them back
            return min(shut_s, LOOK_EVERY_S)
        idle_s = self._backlog.idle_s(now_s)
        if shut_s > SOON_S:
            idle_s = min(max(idle_s, shut_s - SOON_S), LOOK_EVERY_S)
        return idle_s

    def _may_start(self) -> bool:
        return len(self._workers) < self._spec.max_in_flight and self._may_go_on()

    def _start(self) -> None:
        """Start exchanges while there is room and the gates are open."""
        while self._ready and self._may_start():
            item = self._next()
            if item is None:
                return
            task = asyncio.create_task(self._work(item))
            self._workers.add(task)
            task.add_done_callback(self._worker_ended)

    def _next(self) -> tuple[Delivery, Event, bool] | None:
        """Take the next ready delivery, and whether it is a probe, if one may start now."""
        if not self._ready or self._stopping or not self._health.good:
            return None
        gates = self._gates
        if gates.fresh:
            return *self._ready.popleft(), False
        now_s = self._clock.monotonic_s()
        if gates.opens_at(now_s) > now_s:
            return None
        delivery, event = self._ready.popleft()
        probe = gates.breaker.open is not None
        if probe:
            self._probe = delivery
        gates.started(now_s)
        self._changed()
        return delivery, event, probe

    async def _work(self, item: tuple[Delivery, Event, bool] | None) -> None:
        """Make one attempt after another while there is something ready."""
        while item is not None:
            delivery, event, probe = item
            try:
                attempt, judged, verdict = await self._attempts.make(delivery, event, probe=probe)
                if self._spec.hold_on_failed and isinstance(verdict, Dead):
                    await self._hold(delivery)
            except BaseException:  # the drain was cut: it will be made again
                self._backlog.give_up(delivery, event)
                raise
            # Where the lane itself waits for results, they wait for nobody.
            patient = not (self._spec.ordered or self._backlog.drains)
            self._recorder.record(delivery, event, attempt, verdict, patient=patient)
            self._ended(delivery, judged)
            # A new config may allow fewer at once than there are.
            enough = len(self._workers) > self._spec.max_in_flight
            item = self._next() if self._ready and not enough and self._may_go_on() else None

    def _may_go_on(self) -> bool:
        """Whether what is sent now could be written soon, and nobody has paused the lane."""
        recorder = self._recorder
        most, draining = UNRECORDED_MAX, False
        if self._spec.ordered:
            # The store hands out the next one when the result of the last is on disk, so that
            # after a crash none is sent again behind one that came after it: ask no sooner.
            most = 1
        elif draining := self._backlog.drains:
            most = DRAIN_UNRECORDED_MAX
        return (
            recorder.waiting < most
            and not recorder.unwritten
            and self._condition.paused is None
            and self._heard
            and not self._stopping
            and (not draining or self._tools.courtesy.allows(self._after))
        )

    async def _hold(self, failed: Delivery) -> None:
        if self._condition.pause_after(failed):
            self._changed()
        await self._condition.on_disk()

    def _worker_ended(self, task: asyncio.Task[None]) -> None:
        self._workers.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._surprise = error  # `run` ends with it, and the process with `run`
            self._wake.set()
            return
        self._after()

    def _ended(self, delivery: Delivery, judged: Judged) -> None:
        """Tell the gates how an attempt ended, and say what that changes."""
        if self._gates.fresh and isinstance(judged, Delivered):
            return
        # One that probed for an earlier opening says nothing of the probe under way.
        probe = delivery is self._probe
        self._gates.ended(judged, self._clock.monotonic_s(), probe=probe)
        if probe:
            self._probe = None
            self._wake.set()  # to count until the next one
        self._changed()

    def _changed(self) -> None:
        """Act upon a new condition of this lane: yield, or go on."""
        if self._condition.changed():
            if self._condition.state != "open":
                self._backlog.give_up_ready()  # let others have the room that these would wait in
            self._wake.set()  # whatever it is now: what `run` sleeps for was of the one before

    def _settled(self, event: Event, verdict: Verdict) -> None:
        """Hear that a result is on disk and its delivery let go."""
        self._backlog.ended(event)
        if isinstance(verdict, RetryAt) and self._backlog.expect(verdict.due_ms):
            self._wake.set()
        self._after()

    def _after(self) -> None:
        """Go on after something came free; wake `run` where it has something to do."""
        self._start()
        if (self._full or self._ready or self._wants_look()) and self._may_start():
            self._wake.set()  # while full, `run` does not count when the next look is due
