"""The life of a delivery in its destination's lane: claim, transform, send, decide, record.

A lane is independent of every other: its own ready list, its own bound on exchanges under way,
its own pace. New events come from memory, everything else from the durable schedule; the wake
is a hint, the poll is the guarantee.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from dispatchd.clock import Clock
from dispatchd.errors import StoreUnavailable, WriteRejected
from dispatchd.expressions.pool import Expressions, NoResult, Value
from dispatchd.log import Log
from dispatchd.model import (
    Attempt,
    Dead,
    Delivered,
    Delivery,
    ErrorClass,
    Event,
    Failure,
    Outcome,
    Reply,
    RetryAt,
    Verdict,
)
from dispatchd.retry import RetryPolicy, decide, error_class, is_success
from dispatchd.send import HttpSender
from dispatchd.store.base import Store
from dispatchd.store.health import StoreHealth
from dispatchd.transform import Target, outgoing

POLL_S: Final = 1.0  # the longest a change made by another process goes unnoticed
READY_MAX: Final = 8192  # deliveries of one lane waiting in memory; the rest wait in the store
READY_MAX_BYTES: Final = 32 * 1024 * 1024  # of all lanes together
READY_EACH_BYTES: Final = 2048  # what a waiting delivery takes beside its body
CLAIM_MAX: Final = 256  # deliveries fetched at once
UNRECORDED_MAX: Final = 256  # exchanges ended but not yet written, before new ones wait
# A destination that only fails is probed at this pace, so that a backlog for it costs next to
# nothing; one success restores full speed.
PACED_AFTER_FAILURES: Final = 32
PACED_GAP_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class LinkTransform:
    """A link's JSONata expression and what its failure means."""

    expression: str
    on_error: Literal["send", "fail"]


@dataclass(frozen=True, slots=True)
class LaneSpec:
    """A destination, compiled: what its lane needs to know.

    `transforms` are by endpoint slug; `redacted` are byte strings (header values of ours) that
    must not survive in a kept response, should the destination echo them.
    """

    destination: str
    target: Target
    policy: RetryPolicy
    max_in_flight: int
    transforms: Mapping[str, LinkTransform]
    redacted: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class LaneTools:
    """What every lane shares. `roll` gives uniform random numbers in [0, 1)."""

    store: Store
    health: StoreHealth
    sender: HttpSender
    expressions: Expressions
    clock: Clock
    log: Log
    roll: Callable[[], float]
    ready: "ReadyBytes"


@dataclass(slots=True)
class ReadyBytes:
    """How much the deliveries waiting in memory take, over all lanes."""

    used: int = 0


_RESULTS: Final[Mapping[type[Verdict], str]] = {
    Delivered: "success",
    RetryAt: "retrying",
    Dead: "failed",
}


class Lane:
    """Delivers everything owed to one destination. Run `run` as a task; end with `stop`.

    While deliveries come from memory and there is room, `push` and the end of each exchange
    start the next one directly; `run` only looks into the store, and keeps the pace.
    """

    def __init__(self, spec: LaneSpec, tools: LaneTools) -> None:
        self._spec = spec
        self._tools = tools
        self._wake = asyncio.Event()
        self._ready: deque[tuple[Delivery, Event]] = deque()
        self._in_hand: set[str] = set()  # event ids ready, in flight or not yet recorded
        self._tasks: set[asyncio.Task[None]] = set()
        self._exchanges = 0  # under way now
        self._more_in_store = True  # what a crash or a restart left is there
        self._look_at_s = 0.0  # monotonic: when to look into the store next
        self._failures_in_row = 0
        self._start_at_s = 0.0  # monotonic: a paced lane starts nothing before
        self._stopping = False

    def push(self, delivery: Delivery, event: Event) -> None:
        """Take a committed delivery from memory; when the hands are full it waits in the store."""
        if event.id in self._in_hand:
            return
        if (
            self._more_in_store  # older ones wait there: let them go first
            or len(self._ready) >= READY_MAX
            or self._tools.ready.used + _size_bytes(event) > READY_MAX_BYTES
        ):
            self._more_in_store = True
        else:
            self._take(delivery, event)
        self._start_ready()

    async def run(self) -> None:
        """Deliver until stopped."""
        while not self._stopping:
            self._wake.clear()  # before looking, never after: a push meanwhile must not be lost
            await self._tools.health.wait_until_good()
            wait_s = POLL_S
            try:
                if self._should_look():
                    await self._look()
                self._start_allowed()
                wait_s = self._idle_s()
            except StoreUnavailable as error:
                self._tools.health.failed(error)
            except Exception as error:  # noqa: BLE001 - a lane that died would lose its destination
                self._tools.log.error(
                    "internal_error", destination=self._spec.destination, error=repr(error)
                )
            if wait_s > 0:
                await self._tools.clock.wait(self._wake, wait_s)

    async def stop(self, deadline_s: float) -> None:
        """Start nothing new; give exchanges under way until `deadline_s` to end and be written."""
        self._stopping = True
        self._wake.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=deadline_s)
            for task in late:  # unrecorded, so it will be sent again: at least once
                task.cancel()
            if late:
                self._tools.log.warning(
                    "drain_cut", destination=self._spec.destination, deliveries=len(late)
                )
                await asyncio.wait(late)

    # Choosing what to send

    def _should_look(self) -> bool:
        if not self._room():
            return False
        if self._more_in_store and len(self._ready) < self._spec.max_in_flight:
            return not (self._paced() and self._ready)
        # Under a steady stream of new events, retries that fall due must not starve.
        return self._tools.clock.monotonic_s() >= self._look_at_s

    async def _look(self) -> None:
        """Fetch due deliveries from the store."""
        self._more_in_store = False  # a push during the look may set it again
        limit = 1 if self._paced() else CLAIM_MAX
        now_ms, now_s = self._tools.clock.now_ms(), self._tools.clock.monotonic_s()
        due = await self._tools.store.claim_due(
            self._spec.destination, now_ms, limit, frozenset(self._in_hand)
        )
        for delivery, event in due.ready:
            if event.id not in self._in_hand:
                self._take(delivery, event)
        self._more_in_store = self._more_in_store or due.more
        wait_s = POLL_S
        if due.next_due_ms is not None:
            wait_s = min(wait_s, max(0.0, (due.next_due_ms - now_ms) / 1000))
        self._look_at_s = now_s + wait_s  # from when we asked: the answer took its time

    def _idle_s(self) -> float:
        """Return how long (s) `run` has nothing to do, unless it is woken."""
        if not self._room():
            return POLL_S  # the end of an exchange wakes us
        now_s = self._tools.clock.monotonic_s()
        if self._ready:  # then only the pace holds them back
            return max(0.0, self._start_at_s - now_s)
        if self._more_in_store:
            return 0.0
        return max(0.0, self._look_at_s - now_s)

    def _take(self, delivery: Delivery, event: Event) -> None:
        self._in_hand.add(event.id)
        self._ready.append((delivery, event))
        self._tools.ready.used += _size_bytes(event)

    def _room(self) -> bool:
        return (
            self._exchanges < self._spec.max_in_flight
            and len(self._tasks) < UNRECORDED_MAX
            and not self._stopping
        )

    def _paced(self) -> bool:
        return self._failures_in_row >= PACED_AFTER_FAILURES

    def _start_ready(self) -> None:
        """Start exchanges while there is room; wake `run` where it has something to do.

        `run` itself must not come here: it would wake itself and never let go of the loop.
        """
        self._start_allowed()
        if (self._ready and self._paced()) or (self._more_in_store and self._should_look()):
            self._wake.set()

    def _start_allowed(self) -> None:
        while self._ready and self._room() and self._tools.health.good:
            if self._paced():
                now_s = self._tools.clock.monotonic_s()
                if now_s < self._start_at_s:
                    break
                self._start_at_s = now_s + PACED_GAP_S
            delivery, event = self._ready.popleft()
            self._tools.ready.used -= _size_bytes(event)
            self._exchanges += 1
            task = asyncio.create_task(self._deliver(delivery, event))
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._start_ready()

    # One delivery

    async def _deliver(self, delivery: Delivery, event: Event) -> None:
        tools = self._tools
        number = delivery.attempts + 1
        started_ms = tools.clock.now_ms()
        note: str | None = None
        try:
            outcome, note = await self._exchange(delivery, event)
        except Exception as error:  # noqa: BLE001 - our own fault must not strand the delivery
            outcome = Failure(ErrorClass.INTERNAL, f"{type(error).__name__}", 0.0)
            tools.log.error("internal_error", event_id=event.id, error=repr(error))
        finally:
            self._exchanges -= 1
            self._start_ready()
        self._note_outcome(is_success(outcome))
        verdict = decide(
            self._spec.policy,
            outcome,
            number - delivery.attempts_before,
            tools.clock.now_ms(),
            tools.roll(),
        )
        attempt = self._attempt(delivery, number, started_ms, outcome, note)
        if await self._record(delivery, attempt, verdict):
            self._in_hand.discard(event.id)
            if isinstance(verdict, RetryAt):
                self._look_no_later_than(verdict.due_ms)
        self._log_attempt(event, attempt, verdict)

    def _note_outcome(self, success: bool) -> None:
        """Keep count of the failures in a row; say when the pace changes."""
        was_paced = self._paced()
        self._failures_in_row = 0 if success else self._failures_in_row + 1
        if self._paced() != was_paced:
            self._tools.log.warning(
                "lane_recovered" if was_paced else "lane_paced", destination=self._spec.destination
            )

    async def _exchange(self, delivery: Delivery, event: Event) -> tuple[Outcome, str | None]:
        """Transform and send; return the outcome and what is to be said of the transform."""
        body: bytes | None = None
        note: str | None = None
        link = self._spec.transforms.get(event.endpoint)
        if link is not None:
            result = await self._tools.expressions.evaluate(link.expression, event.body)
            match result:
                case Value(json=body):
                    note = "applied"
                case NoResult(reason=reason):
                    if link.on_error == "fail":
                        return Failure(ErrorClass.TRANSFORM, reason, 0.0), f"failed: {reason}"
                    note = f"failed, original sent: {reason}"
        request = outgoing(self._spec.target, event, delivery, body)
        return await self._tools.sender.send(request), note

    def _attempt(
        self, delivery: Delivery, number: int, started_ms: int, outcome: Outcome, note: str | None
    ) -> Attempt:
        reply = outcome if isinstance(outcome, Reply) else None
        headers, head = (reply.headers, reply.head) if reply else ((), b"")
        for secret in self._spec.redacted:
            if secret in head:
                head = head.replace(secret, b"***")
            if headers and secret in orjson.dumps(headers, default=str):
                text = secret.decode("utf-8", "replace")
                headers = tuple((n, v.replace(text, "***")) for n, v in headers)
        return Attempt(
            event_id=delivery.event_id,
            destination=delivery.destination,
            number=number,
            started_ms=started_ms,
            latency_ms=outcome.latency_ms,
            status_code=outcome.status,
            error=error_class(outcome),
            message=outcome.message if isinstance(outcome, Failure) else None,
            response_headers=headers,
            response_head=head,
            transform=note,
        )

    async def _record(self, delivery: Delivery, attempt: Attempt, verdict: Verdict) -> bool:
        """Write the result, however long the store is in trouble; nothing is sent again meanwhile.

        Returns False when this one row cannot be written at all: then the delivery stays in hand,
        unsent, until a restart, rather than going round and round.
        """
        while True:
            try:
                await self._tools.store.record(delivery, attempt, verdict)
            except StoreUnavailable as error:
                self._tools.health.failed(error)
                await self._tools.health.wait_until_good()
            except WriteRejected as error:
                self._tools.log.error(
                    "internal_error",
                    event_id=delivery.event_id,
                    destination=delivery.destination,
                    error=f"the result of attempt {attempt.number} cannot be kept: {error}",
                )
                return False
            else:
                self._tools.health.worked()
                return True

    def _look_no_later_than(self, due_ms: int) -> None:
        clock = self._tools.clock
        due_s = clock.monotonic_s() + (due_ms - clock.now_ms()) / 1000
        if due_s < self._look_at_s:
            self._look_at_s = due_s
            self._wake.set()

    def _log_attempt(self, event: Event, attempt: Attempt, verdict: Verdict) -> None:
        fields: dict[str, Any] = (
            {} if attempt.error is None else {"error": attempt.error, "message": attempt.message}
        )
        if isinstance(verdict, RetryAt):
            fields["due_ms"] = verdict.due_ms
        if attempt.transform is not None:
            fields["transform"] = attempt.transform
        write = self._tools.log.info if attempt.error is None else self._tools.log.warning
        write(
            "attempt",
            result=_RESULTS[type(verdict)],
            event_id=event.id,
            endpoint=event.endpoint,
            destination=attempt.destination,
            number=attempt.number,
            status_code=attempt.status_code,
            latency_ms=attempt.latency_ms,
            **fields,
        )


def _size_bytes(event: Event) -> int:
    return len(event.body) + READY_EACH_BYTES
