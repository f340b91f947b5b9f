"""The lane of a pull queue: what is owed waits in the store until a consumer claims it.

A claim is the store's own, as every lane's, and becomes a lease before anything is handed over:
durable, so a consumer keeps what it has whatever becomes of the daemon. One claim at a time looks
into the store, whoever waited longest first; those that find nothing wait to be woken.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf
from typing import Final

from dispatchd.clock import monotonic_of
from dispatchd.deliver.answers import ANSWER_MAX_BYTES, Leased, Share
from dispatchd.deliver.any_lane import DONE_POLL_S
from dispatchd.deliver.attempt import unanswered, verdict_on
from dispatchd.deliver.backlog import LOOK_EVERY_S, ROOM_POLL_S
from dispatchd.deliver.condition import Condition
from dispatchd.deliver.content import Content, Contents
from dispatchd.deliver.pull_ends import LeaseEnds
from dispatchd.deliver.spec import LaneSpec
from dispatchd.deliver.tools import LaneTools
from dispatchd.errors import StoreUnavailable
from dispatchd.facts import AttemptEnded
from dispatchd.model import Dead, Delivery, Event, Failed, Hold, event_bytes
from dispatchd.store.base import Claimed
from dispatchd.store.leases import Taking

ID_BYTES: Final = 16
GONE_POLL_S: Final = 2.0  # how often a claim that waits asks whether its consumer still does
PAST_MAX_S: Final = 5.0  # for how long a claim looks on beyond its time: empty means nothing is due


class PullLane:
    """Hands out what is owed to one queue. Run `run` as a task; end with `stop`.

    `run` ends leases that ran out, and wakes whoever waits when something becomes due.
    """

    pulled: Final = True

    def __init__(self, spec: LaneSpec, tools: LaneTools, condition: Condition) -> None:
        self._spec = spec
        self._tools = tools
        self._store = tools.store
        self._clock = tools.clock
        self._health = tools.health
        self._condition = condition
        self._contents = Contents(spec, tools.evaluator)
        self.answers = tools.answers
        self.ends = LeaseEnds(spec, tools, self._hold, self._owed)
        self._turn = asyncio.Lock()
        self._wake = asyncio.Event()
        self._waiting: dict[asyncio.Event, None] = {}  # in the order in which they came
        self._may_be_due = True
        self._due_at_s = inf  # monotonic: when something becomes due that is not yet
        self._runs_out_at_s = 0.0  # likewise, when a lease runs out
        self._needs_bytes = ANSWER_MAX_BYTES  # of room for the next answer
        self._begun = False
        self._heard = True  # what the store keeps of it: a lane begins when it has
        self._stopping = False

    # What consumers ask

    async def claim(
        self, most: int, lease_ms: int, wait_s: float, gone: Callable[[], bool], share: Share
    ) -> list[Leased] | None:
        """Lease up to `most` due deliveries for `lease_ms`; wait for the first up to `wait_s`.

        Nothing is handed out while the queue is paused, nor to a consumer that is `gone`. What is
        handed out is counted as `share`; None says that there was no room for it.
        Raises StoreUnavailable; then nothing is leased.
        """
        until_s = self._clock.monotonic_s() + wait_s
        news = asyncio.Event()
        self._waiting[news] = None
        try:
            while not (self._stopping or gone()):
                news.clear()
                if self._turn.locked() or self._may_look():  # a look may leave something
                    async with self._turn:
                        if self._may_look() and not gone():
                            leased = await self._take(most, lease_ms, share)
                            if leased:
                                return leased
                            share.give_back()
                now_s = self._clock.monotonic_s()
                if self._may_look():  # it went past what is not handed over
                    if now_s >= until_s + PAST_MAX_S:
                        break
                elif now_s >= until_s:
                    break
                else:
                    if self._is_due():
                        self.answers.wait(self.look, self._needs_bytes)
                    self._wake.set()  # `run` counts until something is due for whoever waits
                    await self._clock.wait(news, min(until_s - now_s, GONE_POLL_S))
            return None if self._is_due() and not (self._may_look() or gone()) else []
        finally:
            del self._waiting[news]
            if self._may_be_due:
                self._wake_next()

    def _may_look(self) -> bool:
        return self._is_due() and self.answers.fits(self._needs_bytes)

    def _is_due(self) -> bool:
        due = self._may_be_due or self._clock.monotonic_s() >= self._due_at_s
        return due and self._begun and self._hands_out()

    def _hands_out(self) -> bool:
        return self._heard and not self._stopping and self._condition.paused is None

    async def _take(self, most: int, lease_ms: int, share: Share) -> list[Leased]:
        """Look once, and lease what is found."""
        now_ms, now_s = self._clock.now_ms(), self._clock.monotonic_s()
        # Before asking, never after: what changes meanwhile may set them again.
        self._may_be_due, self._due_at_s = False, now_s + LOOK_EVERY_S
        self._needs_bytes = ANSWER_MAX_BYTES
        share.becomes(ANSWER_MAX_BYTES)
        self._tools.room.take(ANSWER_MAX_BYTES)
        try:
            # First, by the same clock: what is due again has its attempt on disk.
            self._next_end(await self.ends.all_that_ran_out(now_ms))
            in_order = self._spec.ordered
            claimed = await self._claimed(now_ms, most, share)
            self._may_be_due = self._may_be_due or claimed.more
            if claimed.next_due_ms is not None:
                due_s = now_s + (claimed.next_due_ms - now_ms) / 1000
                self._due_at_s = min(self._due_at_s, due_s)
            return await self._leased(claimed.ready, lease_ms, in_order=in_order)
        except StoreUnavailable as error:
            self._may_be_due = True
            self._health.failed(error)
            raise
        except BaseException:
            self._may_be_due = True  # whatever there is, it was not seen
            raise
        finally:
            self._tools.room.give_back(ANSWER_MAX_BYTES)

    async def _claimed(self, now_ms: int, most: int, share: Share) -> Claimed:
        name = self._spec.destination

        async def within(max_bytes: int, limit: int) -> Claimed:
            if self._spec.ordered:
                return await self._store.claim_in_order(name, now_ms, max_bytes)
            return await self._store.claim(name, now_ms, limit, max_bytes)

        claimed = await within(ANSWER_MAX_BYTES, most)
        if claimed.ready or claimed.next_bytes is None:
            return claimed
        share.give_back()
        if not self.answers.fits(claimed.next_bytes):
            self._needs_bytes, self._may_be_due = claimed.next_bytes, True
            return claimed
        share.becomes(claimed.next_bytes)
        return await within(claimed.next_bytes, 1)  # a large one goes alone

    async def _leased(
        self, ready: Sequence[tuple[Delivery, Event]], lease_ms: int, *, in_order: bool
    ) -> list[Leased]:
        """Turn claims to leases. Each ends as one, as a result, or is released."""
        waiting = list(ready)
        made: list[tuple[Delivery, Event, Content]] = []
        left_bytes = ANSWER_MAX_BYTES
        try:
            while waiting:
                delivery, event = waiting[0]
                content = await self._content(delivery, event)
                if content is not None:
                    left_bytes -= event_bytes(event) if content.body is None else len(content.body)
                    if made and left_bytes < 0:
                        self._may_be_due = True
                        break
                    made.append((delivery, event, content))
                waiting.pop(0)
        except BaseException:
            for delivery, _, _ in made:
                self._store.release(delivery)
            raise
        finally:
            for delivery, _ in waiting:
                self._store.release(delivery)
        reordered = in_order != self._spec.ordered
        if reordered or not self._hands_out():
            for delivery, _, _ in made:  # it became so meanwhile
                self._store.release(delivery)
            self._may_be_due = True
            return []
        return await self._keep(made, lease_ms) if made else []

    async def _keep(
        self, made: Sequence[tuple[Delivery, Event, Content]], lease_ms: int
    ) -> list[Leased]:
        now_ms = self._clock.now_ms()
        until_ms = now_ms + lease_ms
        leased = [
            Leased(secrets.token_hex(ID_BYTES), until_ms, delivery, event, content)
            for delivery, event, content in made
        ]
        takings = [
            Taking(
                one.lease_id,
                one.delivery,
                one.content.rule,
                one.content.transform,
                one.content.sent,
            )
            for one in leased
        ]
        await self._store.lease(takings, now_ms, until_ms)
        self._health.worked()
        self._next_end(until_ms)
        return leased

    async def _content(self, delivery: Delivery, event: Event) -> Content | None:
        """Make what is handed over; None where there is nothing, which is kept as a result."""
        started_ms = self._clock.now_ms()
        made = await self._contents.make(delivery, event)
        if isinstance(made, Content):
            return made
        attempt = unanswered(
            delivery, started_ms, 0.0, made.error, made.reason, transform=made.content.transform
        )
        attempt = replace(attempt, rule=made.content.rule)
        judged, now_ms = Failed(made.error, made.whose), self._clock.now_ms()
        verdict = verdict_on(self._spec.policy, delivery, judged, now_ms, self._tools.roll())
        if self._spec.hold_on_failed and isinstance(verdict, Dead):
            await self._hold(delivery)
        await self._store.record(delivery, attempt, verdict)
        self._tools.tell(AttemptEnded(event, attempt, verdict))
        self._may_be_due = True
        return None

    # What receive asks: nothing is claimed for consumers that may not come

    def offer(self, size_bytes: int) -> bool:  # noqa: ARG002 - whatever its size
        """Leave every event to wait in the store."""
        return False

    def withdraw(self, size_bytes: int) -> None:
        """Have nothing to give back: nothing was reserved."""

    def push(self, delivery: Delivery, event: Event) -> None:  # noqa: ARG002 - it is in the store
        """Leave a delivery to the store."""
        self._store.release(delivery)
        self.look()

    def look(self) -> None:
        """Hear that there is something new in the store."""
        self._may_be_due = True
        self._wake_next()

    def _wake_next(self) -> None:
        """Wake whoever waits longest; it wakes the next where it leaves something."""
        for news in self._waiting:
            if not news.is_set():
                news.set()
                return

    def kept(self, holds: tuple[Hold, ...]) -> None:
        """Hear what the store keeps of why this lane is held."""
        condition = self._condition
        condition.kept(holds)
        if condition.gates.breaker.open is not None:  # from when it was sent to
            condition.gates.breaker.close(self._clock.monotonic_s())
        condition.changed()
        self._heard = True
        self._wake.set()
        if self._may_be_due:
            self._wake_next()

    async def _hold(self, failed: Delivery) -> None:
        if self._condition.pause_after(failed):
            self._condition.changed()
        await self._condition.on_disk()

    def _owed(self, due_ms: int | None) -> None:
        """Hear that something is owed again, now or at `due_ms` (Unix ms)."""
        if due_ms is None:
            self.look()
        else:
            self._due_at_s = min(self._due_at_s, monotonic_of(self._clock, due_ms))
            self._wake.set()

    def _next_end(self, at_ms: int | None) -> None:
        """Hear that a lease runs out at `at_ms` (Unix ms)."""
        if at_ms is not None and (at_s := monotonic_of(self._clock, at_ms)) < self._runs_out_at_s:
            self._runs_out_at_s = at_s
            self._wake.set()

    # What a new config asks

    def change(self, spec: LaneSpec) -> None:
        """Go on by another spec of the same destination."""
        self._spec = spec
        self._contents = Contents(spec, self._tools.evaluator)
        self.ends.change(spec)
        self._condition.order(in_order=spec.ordered)
        self.look()

    def reopen(self) -> None:
        """Hand out again, once it hears what holds it by now."""
        self._stopping = self._heard = False
        self.look()

    @property
    def done(self) -> bool:
        """Whether a closed lane has nothing in hand."""
        return not self._turn.locked()

    @property
    def closed(self) -> bool:
        """Whether it hands out nothing."""
        return self._stopping

    async def linger(self) -> None:
        """Wait for a moment in which a closed lane may be done, or until it is reopened."""
        self._wake.clear()
        await self._clock.wait(self._wake, DONE_POLL_S)

    # Life

    async def run(self) -> None:
        """End what ran out and wake who waits, until stopped. What is raised is a surprise."""
        self._begun = True
        self._wake_next()
        while not self._stopping:
            self._wake.clear()
            await self._health.wait_until_good()
            try:
                wait_s = await self._tend()
            except StoreUnavailable as error:
                self._health.failed(error)
                wait_s = ROOM_POLL_S
            if not self._stopping:
                await self._clock.wait(self._wake, wait_s)

    async def _tend(self) -> float:
        """Do what is to be done now; return for how long (s) there is nothing."""
        now_s = self._clock.monotonic_s()
        if now_s >= self._runs_out_at_s:
            self._runs_out_at_s = now_s + LOOK_EVERY_S
            self._next_end(await self.ends.all_that_ran_out(self._clock.now_ms()))
        if now_s >= self._due_at_s:
            self._due_at_s = inf
            self.look()
        next_s = min(self._runs_out_at_s, self._due_at_s if self._waiting else inf)
        return max(0.0, min(next_s - self._clock.monotonic_s(), LOOK_EVERY_S))

    def busy(self) -> int:
        """Return how many exchanges are under way: none is this daemon's."""
        return 0

    def close(self) -> None:
        """Hand out nothing more; whoever waits is told so."""
        self._stopping = True
        self._wake.set()
        for news in self._waiting:
            news.set()

    async def stop(self, deadline_s: float, cut: asyncio.Event) -> None:  # noqa: ARG002 - it is soon done
        """Close, and let what is being leased be leased."""
        self.close()
        try:
            async with asyncio.timeout(deadline_s), self._turn:
                pass
        except TimeoutError:
            pass  # what is leased to nobody runs out
