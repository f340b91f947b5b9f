"""A lane: all that is owed to one destination, and how it is worked off.

A lane is independent of every other: its own ready list, its own bound on exchanges under way,
its own gates. New events come from memory, everything else from the durable schedule; the wake
is a hint, the look is the guarantee. What a lane holds is claimed: it ends in `record` or
`release`, whatever is raised.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dispatchd.clock import Clock
from dispatchd.deliver.attempt import Attempts, Sends
from dispatchd.deliver.record import Recorder
from dispatchd.deliver.room import EACH_BYTES, Room
from dispatchd.deliver.spec import LaneSpec
from dispatchd.errors import StoreUnavailable
from dispatchd.evaluate.evaluator import Evaluator
from dispatchd.facts import DrainCut, LaneChanged, Tell
from dispatchd.gates import Gate, Pace
from dispatchd.model import Attempt, Delivery, Event, Judged, RetryAt, Verdict
from dispatchd.store.base import Claimed, Schedule
from dispatchd.store.health import StoreHealth

# The longest a lane goes without looking: what other processes change is told within a second,
# and this is for the case that it is not.
LOOK_EVERY_S: Final = 30.0
ROOM_POLL_S: Final = 1.0  # how often a lane that waits for room asks again, should nobody wake it
READY_MAX: Final = 8192  # deliveries of one lane waiting in memory; the rest wait in the store
CLAIM_MAX: Final = 256  # deliveries fetched at once
CLAIM_MAX_BYTES: Final = 4 * 1024 * 1024
RECORD_DRAIN_S: Final = 2.0  # for the results of a drain to be written
UNRECORDED_MAX: Final = 256  # exchanges ended but not yet written, before new ones wait


@dataclass(frozen=True, slots=True)
class LaneTools:
    """What every lane shares. `roll` gives uniform random numbers in [0, 1)."""

    store: Schedule
    health: StoreHealth
    sender: Sends
    evaluator: Evaluator
    clock: Clock
    tell: Tell
    roll: Callable[[], float]
    room: Room


class Lane:
    """Delivers everything owed to one destination. Run `run` as a task; end with `stop`.

    While deliveries come from memory and there is room, `push` and the end of each exchange
    start the next one directly; `run` only looks into the store, and waits for the gates.
    """

    def __init__(self, spec: LaneSpec, tools: LaneTools) -> None:
        self._spec = spec
        self._clock = tools.clock
        self._health = tools.health
        self._room = tools.room
        self._store = tools.store
        self._tell = tools.tell
        self._attempts = Attempts(
            spec,
            sender=tools.sender,
            evaluator=tools.evaluator,
            clock=tools.clock,
            roll=tools.roll,
            tell=tools.tell,
        )
        self._recorder = Recorder(tools.store, tools.health, tools.clock, tools.tell, self._settled)
        self._pace = Pace()
        self._gates: tuple[Gate, ...] = (self._pace,)
        self._wake = asyncio.Event()
        self._ready: deque[tuple[Delivery, Event]] = deque()
        self._mine_bytes = 0  # in hand: ready, in flight or not yet recorded
        self._workers: set[asyncio.Task[None]] = set()
        self._more_in_store = True  # what a crash or a restart left is there
        self._look_at_s = 0.0  # monotonic: when to look into the store next
        self._no_room = False  # for the next one in the store: not to be asked for until there is
        self._full = False  # when `run` last went to sleep: not for how long it may
        self._replayed: set[str] = set()  # event ids: in hand, and owed again after that
        self._stopping = False
        self._surprise: BaseException | None = None

    # What receive asks: may a new event be claimed for this lane, and here it is

    def offer(self, size_bytes: int) -> bool:
        """Reserve room for a new event of `size_bytes`; False where it must wait in the store.

        What is reserved is either pushed or withdrawn.
        """
        size_bytes += EACH_BYTES
        if (
            self._more_in_store  # older ones wait there: let them go first
            or self._stopping
            or len(self._ready) >= READY_MAX
            or not self._room.fits(size_bytes, self._mine_bytes, failing=self._pace.failing)
        ):
            return False
        self._hold(size_bytes)
        return True

    def withdraw(self, size_bytes: int) -> None:
        """Give back what was reserved: the event was not kept."""
        self._let_go(size_bytes + EACH_BYTES)

    def push(self, delivery: Delivery, event: Event) -> None:
        """Take a delivery that was claimed for this lane as it was committed."""
        if self._stopping:
            self._give_up(delivery, event)
            return
        self._ready.append((delivery, event))
        self._start()

    def look(self) -> None:
        """Look into the store soon: there is something new in it."""
        self._more_in_store = True
        if self._should_look():
            self._wake.set()

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
        self._give_up_ready()

    def busy(self) -> int:
        """Return how many exchanges are under way."""
        return len(self._workers)

    def close(self) -> None:
        """Start nothing new; what waits in memory waits in the store."""
        self._stopping = True
        self._wake.set()
        self._give_up_ready()

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

    # Looking into the store

    def _should_look(self) -> bool:
        if not self._may_start():
            return False
        more = self._more_in_store and not self._no_room
        if more and len(self._ready) < self._spec.max_in_flight:
            return not (self._pace.slow and self._ready)
        # Under a steady stream of new events, retries that fall due must not starve.
        return self._clock.monotonic_s() >= self._look_at_s

    async def _look(self) -> None:
        """Claim due deliveries from the store, as many as there is room for."""
        now_ms, now_s = self._clock.now_ms(), self._clock.monotonic_s()
        # Before asking, never after: what changes during the look may set them again.
        self._more_in_store = False
        self._look_at_s = now_s + LOOK_EVERY_S
        try:
            claimed = await self._claim(now_ms)
        except BaseException:
            self._more_in_store = True  # nothing was seen: what was to be found is there still
            raise
        if claimed is None:
            self._more_in_store = self._no_room = True
            self._look_at_s = now_s + ROOM_POLL_S
            return
        for delivery, event in claimed.ready:
            self._ready.append((delivery, event))
        self._more_in_store = self._more_in_store or claimed.more
        self._replayed.update(claimed.replayed)
        if claimed.next_due_ms is not None:  # from when we asked: the answer took its time
            due_s = now_s + (claimed.next_due_ms - now_ms) / 1000
            self._look_at_s = min(self._look_at_s, due_s)

    async def _claim(self, now_ms: int) -> Claimed | None:
        """Claim within the room there is; None where there is too little for the next one."""
        allowed = self._room.allowance(self._mine_bytes, failing=self._pace.failing)
        if allowed <= EACH_BYTES:
            self._wait_for_room(EACH_BYTES + 1)
            return None
        allowed = min(allowed, CLAIM_MAX_BYTES)
        # At most half of it for what deliveries take beside their bodies.
        limit = 1 if self._pace.slow else max(1, min(CLAIM_MAX, allowed // (2 * EACH_BYTES)))
        claimed = await self._claim_within(now_ms, limit, allowed - limit * EACH_BYTES)
        if claimed.ready or claimed.next_bytes is None:
            return claimed
        # A large one: it may go alone.
        size_bytes = claimed.next_bytes + EACH_BYTES
        if not self._room.fits(size_bytes, self._mine_bytes, failing=self._pace.failing):
            self._wait_for_room(size_bytes)
            return None
        return await self._claim_within(now_ms, 1, claimed.next_bytes)

    def _wait_for_room(self, size_bytes: int) -> None:
        failing = self._pace.failing
        self._room.wait(self._room_came, size_bytes, self._mine_bytes, failing=failing)

    def _room_came(self) -> None:
        self._no_room = False
        self._wake.set()

    async def _claim_within(self, now_ms: int, limit: int, max_bytes: int) -> Claimed:
        """Claim with the bytes counted before: other lanes take room while we wait."""
        reserved = max_bytes + limit * EACH_BYTES
        unused = reserved
        self._hold(reserved)
        try:
            claimed = await self._store.claim(self._spec.destination, now_ms, limit, max_bytes)
            unused -= sum(len(event.body) + EACH_BYTES for _, event in claimed.ready)
        finally:
            self._let_go(unused)
        return claimed

    def _idle_s(self) -> float:
        """Return how long (s) `run` has nothing to do, unless it is woken."""
        self._full = not self._may_start()
        if self._full:  # what ends that wakes us
            return ROOM_POLL_S if self._recorder.unwritten else LOOK_EVERY_S
        now_s = self._clock.monotonic_s()
        if self._ready:  # then only the gates hold them back
            return max(0.0, self._opens_at(now_s) - now_s)
        if self._more_in_store and not self._no_room:
            return 0.0
        return max(0.0, self._look_at_s - now_s)

    # Starting

    def _may_start(self) -> bool:
        return len(self._workers) < self._spec.max_in_flight and self._may_go_on()

    def _may_go_on(self) -> bool:
        """Whether what is sent now could be written soon."""
        recorder = self._recorder
        return recorder.waiting < UNRECORDED_MAX and not recorder.unwritten and not self._stopping

    def _opens_at(self, now_s: float) -> float:
        return max(gate.opens_at(now_s) for gate in self._gates)

    def _start(self) -> None:
        """Start exchanges while there is room and the gates are open."""
        while self._ready and self._may_start():
            item = self._next()
            if item is None:
                return
            task = asyncio.create_task(self._work(item))
            self._workers.add(task)
            task.add_done_callback(self._worker_ended)

    def _next(self) -> tuple[Delivery, Event] | None:
        """Take the next ready delivery, if one may start now."""
        if not self._ready or self._stopping or not self._health.good:
            return None
        now_s = self._clock.monotonic_s()
        for gate in self._gates:
            if gate.opens_at(now_s) > now_s:
                return None
        for gate in self._gates:
            gate.started(now_s)
        return self._ready.popleft()

    async def _work(self, item: tuple[Delivery, Event] | None) -> None:
        """Make one attempt after another while there is something ready."""
        while item is not None:
            delivery, event = item
            try:
                attempt, judged, verdict = await self._attempts.make(delivery, event)
            except BaseException:  # the drain was cut: it will be made again
                self._give_up(delivery, event)
                raise
            self._recorder.record(delivery, event, attempt, verdict)
            self._ended(judged)
            item = self._next() if self._may_go_on() else None

    def _worker_ended(self, task: asyncio.Task[None]) -> None:
        self._workers.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._surprise = error  # `run` ends with it, and the process with `run`
            self._wake.set()
            return
        self._after()

    def _ended(self, judged: Judged) -> None:
        """Tell the gates how an attempt ended, and say when the pace changes."""
        was_slow = self._pace.slow
        now_s = self._clock.monotonic_s()
        for gate in self._gates:
            gate.ended(judged, now_s)
        if self._pace.slow != was_slow:
            self._tell(LaneChanged(self._spec.destination, "open" if was_slow else "paced"))
            if not was_slow:  # let others have the room that these would wait in
                self._give_up_ready()

    def _settled(self, event: Event, attempt: Attempt, verdict: Verdict) -> None:
        """Hear that a result is on disk and its delivery let go."""
        del attempt
        self._let_go(len(event.body) + EACH_BYTES)
        if self._replayed and event.id in self._replayed:
            self._replayed.remove(event.id)
            self._more_in_store = True
        if isinstance(verdict, RetryAt):
            due_s = self._clock.monotonic_s() + (verdict.due_ms - self._clock.now_ms()) / 1000
            if due_s < self._look_at_s:
                self._look_at_s = due_s
                self._wake.set()
        self._after()

    def _after(self) -> None:
        """Go on after something came free; wake `run` where it has something to do."""
        self._start()
        if self._may_start() and (self._full or self._ready or self._should_look()):
            self._wake.set()  # while full, `run` does not count when the next look is due

    # What is in hand

    def _hold(self, size_bytes: int) -> None:
        self._mine_bytes += size_bytes
        self._room.take(size_bytes)

    def _let_go(self, size_bytes: int) -> None:
        self._mine_bytes -= size_bytes
        self._no_room = False  # there may be now
        self._room.give_back(size_bytes)

    def _give_up(self, delivery: Delivery, event: Event) -> None:
        """Release a delivery unsent: it is due as it was."""
        self._store.release(delivery)
        self._let_go(len(event.body) + EACH_BYTES)
        self._more_in_store = True

    def _give_up_ready(self) -> None:
        while self._ready:
            self._give_up(*self._ready.popleft())
