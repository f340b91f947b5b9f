"""How leases of one queue end: by their consumer's word, or by their time. Each is an attempt."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Final

from dispatchd.deliver.attempt import unanswered, verdict_on
from dispatchd.deliver.spec import LaneSpec
from dispatchd.deliver.tools import LaneTools
from dispatchd.facts import AttemptEnded
from dispatchd.model import Dead, Delivered, Delivery, ErrorClass, Failed, Judged, Verdict
from dispatchd.store.leases import Extended, Lease

AT_ONCE: Final = 8  # leases that ran out, ended together: their events are in memory meanwhile

Hold = Callable[[Delivery], Awaitable[None]]
# Of what may be due now (None), or at a time (Unix ms).
Owed = Callable[[int | None], None]


class LeaseEnds:
    """Ends the leases of one queue. `hold` holds its lane for a failed delivery, on disk."""

    def __init__(self, spec: LaneSpec, tools: LaneTools, hold: Hold, owed: Owed) -> None:
        self._spec = spec
        self._store = tools.store
        self._clock = tools.clock
        self._tell = tools.tell
        self._roll = tools.roll
        self._hold = hold
        self._owed = owed
        self._one = asyncio.Lock()

    def change(self, spec: LaneSpec) -> None:
        """Go on by another spec."""
        self._spec = spec

    async def ack(self, lease_id: str) -> tuple[Lease, Verdict] | None:
        """Hear that a delivery is done; None where its lease has ended."""
        return await self._said(lease_id, Delivered(), None)

    async def nack(
        self, lease_id: str, reason: str | None, delay_ms: int
    ) -> tuple[Lease, Verdict] | None:
        """Hear that it could not be done, and not to be handed out again for `delay_ms`."""
        failed = Failed(ErrorClass.REJECTED, retry_after_ms=delay_ms)
        return await self._said(lease_id, failed, reason)

    async def extend(self, lease_id: str, lease_ms: int) -> Extended | None:
        """Have a lease run for `lease_ms` from now on; None where it has ended."""
        name = self._spec.destination
        async with self._turn():
            now_ms = self._clock.now_ms()
            return await self._store.extend_lease(name, lease_id, now_ms, now_ms + lease_ms)

    def _turn(self) -> AbstractAsyncContextManager[None]:
        """Have one word after the other where one may hold the queue.

        It is held before the lease is ended: another word meanwhile would have it held for what
        has not failed. Such a queue is ordered, so nobody waits long.
        """
        return self._one if self._spec.hold_on_failed else nullcontext()

    async def _said(
        self, lease_id: str, judged: Judged, reason: str | None
    ) -> tuple[Lease, Verdict] | None:
        async with self._turn():
            now_ms = self._clock.now_ms()
            lease = await self._store.find_lease(self._spec.destination, lease_id, now_ms)
            if lease is None:
                return None
            verdict = await self._end(lease, judged, reason, now_ms, ran_out=False)
            return None if verdict is None else (lease, verdict)

    async def all_that_ran_out(self, now_ms: int) -> int | None:
        """Write the attempts of leases that ran out; return when (Unix ms) the next one does."""
        while True:
            async with self._turn():
                found = await self._store.ran_out(self._spec.destination, now_ms, AT_ONCE)
                failed = Failed(ErrorClass.LEASE)
                await asyncio.gather(
                    *(
                        self._end(lease, failed, _silence(lease), now_ms, ran_out=True)
                        for lease in found.leases
                    )
                )
            if not found.more:
                return found.next_ms

    async def _end(
        self, lease: Lease, judged: Judged, message: str | None, now_ms: int, *, ran_out: bool
    ) -> Verdict | None:
        """Keep an attempt as the last word on a lease; None where there was one before."""
        delivery, spec = lease.delivery, self._spec
        attempt = unanswered(
            delivery,
            lease.started_ms,
            float(lease.held_ms),
            judged.error if isinstance(judged, Failed) else None,
            message,
            transform=lease.transform,
        )
        verdict = verdict_on(spec.policy, delivery, judged, now_ms, self._roll())
        if spec.hold_on_failed and isinstance(verdict, Dead):
            await self._hold(delivery)
        replayed = await self._store.end_lease(lease, attempt, verdict, now_ms, ran_out=ran_out)
        if replayed is None:
            return None
        self._tell(AttemptEnded(lease.event, attempt, verdict))
        if replayed or spec.ordered:
            self._owed(None)
        elif not isinstance(verdict, Delivered | Dead):
            self._owed(verdict.due_ms)
        return verdict


def _silence(lease: Lease) -> str:
    return f"nothing was heard of it within {lease.held_ms / 1000:g} s"
