"""Leases: deliveries that a consumer has claimed for a time, kept over whatever crashes.

An attempt begins with its lease and ends with it. While one runs nobody else is handed its
delivery, and of all that may end it (the consumer's word, its time, twice the same word) one does.
"""

from collections.abc import Sequence
from typing import Protocol

from dispatchd.frozen import frozen
from dispatchd.model import Attempt, Delivery, Event, Sent, Verdict


@frozen
class Taking:
    """A claimed delivery that is to be leased under `id`, and what is handed over of it.

    `sent` is the body that goes in place of the event's own; `rule` chose it, `transform` is the
    attempt's note of how it came about.
    """

    id: str
    delivery: Delivery
    rule: str | None = None
    transform: str | None = None
    sent: Sent | None = None


@frozen
class Lease:
    """A lease as it is kept, with its delivery as it was when it was leased, and its event.

    It began at `started_ms` (Unix ms), `held_ms` ago, or ran for so long.
    """

    id: str
    delivery: Delivery
    event: Event
    started_ms: int
    held_ms: int
    transform: str | None


@frozen
class Extended:
    """A lease that runs until `until_ms` (Unix ms)."""

    event_id: str
    until_ms: int


@frozen
class RanOut:
    """Leases that ran out and whose attempts are not written yet, the first of them first.

    `more` says that there are others, `next_ms` (Unix ms) when the next one runs out.
    """

    leases: Sequence[Lease]
    more: bool
    next_ms: int | None


class Leases(Protocol):
    """What consumers of a queue ask. Times are Unix ms."""

    async def lease(self, takings: Sequence[Taking], now_ms: int, until_ms: int) -> None:
        """Turn claims to leases until `until_ms`, durably, in one transaction.

        It ends the claims, also where it fails: what is not leased is due as it was.
        """

    async def find_lease(self, destination: str, lease_id: str, now_ms: int) -> Lease | None:
        """Return a lease that runs; None where there is none, or none any more."""

    async def extend_lease(
        self, destination: str, lease_id: str, now_ms: int, until_ms: int
    ) -> Extended | None:
        """Have a lease run until `until_ms`, or longer where it does; None where it has ended."""

    async def end_lease(
        self, lease: Lease, attempt: Attempt, verdict: Verdict, now_ms: int, *, ran_out: bool
    ) -> bool | None:
        """End a lease, keep its attempt and what that means for its delivery, in one transaction.

        None, with nothing changed, where it has ended or, unless `ran_out`, run out; with that,
        where it runs. Else whether the delivery was replayed meanwhile: then it is due now.
        """

    async def ran_out(self, destination: str, now_ms: int, limit: int) -> RanOut:
        """Return up to `limit` leases that ran out by `now_ms`.

        One whose delivery has gone on without it is forgotten.
        """
