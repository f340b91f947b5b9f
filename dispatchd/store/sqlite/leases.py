"""Leases on SQLite: rows that hold back when their deliveries are due, and go with their attempts.

They are written with the batches of events and results, so a consumer costs no fsync of its own.
"""

import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from dispatchd.model import Attempt, Delivery, DeliveryStatus, Verdict
from dispatchd.store.leases import Extended, Lease, RanOut, Taking
from dispatchd.store.sqlite.connection import run_steps
from dispatchd.store.sqlite.lease_changes import End, Extend, Take
from dispatchd.store.sqlite.rows import from_key, to_key
from dispatchd.store.sqlite.schedule import Schedule
from dispatchd.store.sqlite.writes import Write

if TYPE_CHECKING:
    import asyncio

_OPEN: Final = (DeliveryStatus.QUEUED, DeliveryStatus.RETRYING)
EACH_BYTES: Final = 256  # what a lease takes in a batch beside its body


class Leasing(Schedule):
    """Hands deliveries out for a time that outlives the process."""

    async def lease(self, takings: Sequence[Taking], now_ms: int, until_ms: int) -> None:
        """Turn claims to leases, in one transaction."""
        keys = [(to_key(one.delivery.event_id), one.delivery.destination) for one in takings]
        due_ms, from_ms = until_ms + self._ahead_ms, now_ms + self._ahead_ms
        take = Take(
            [
                (
                    *key,
                    one.id,
                    one.delivery.attempts + 1,
                    one.delivery.replays,
                    now_ms,
                    from_ms,
                    due_ms,
                    one.rule,
                    one.transform,
                )
                for key, one in zip(keys, takings, strict=True)
            ],
            [(due_ms, *key) for key in keys],
            [
                (*key, one.sent.body, one.sent.variant)
                for key, one in zip(keys, takings, strict=True)
                if one.sent is not None and one.sent.body is not None
            ],
            [
                key
                for key, one in zip(keys, takings, strict=True)
                if one.sent is None and one.delivery.attempts
            ],
        )
        size_bytes = sum(len(row[2]) for row in take.sent) + EACH_BYTES * len(takings)
        written = self._group.submit(Write(lease=take), size_bytes)
        written.add_done_callback(partial(self._let_go, takings))  # whoever waits may have gone
        await written

    def _let_go(self, takings: Sequence[Taking], _: "asyncio.Future[None]") -> None:
        for one in takings:
            self._claims.let_go(one.delivery.event_id, (one.delivery.destination,))

    async def find_lease(self, destination: str, lease_id: str, now_ms: int) -> Lease | None:
        """Return a lease that runs."""
        at_ms = now_ms + self._ahead_ms

        def find(reader: sqlite3.Connection) -> Lease | None:
            rows = reader.execute(self._sql["lease"], (lease_id, destination)).fetchall()
            running = [row for row in rows if row[6] > at_ms and _goes_on(row)]
            found = self._leases(reader, destination, running, at_ms)
            return found[0] if found else None

        return await self._ask(find)

    async def extend_lease(
        self, destination: str, lease_id: str, now_ms: int, until_ms: int
    ) -> Extended | None:
        """Have a lease run longer."""
        ahead_ms = self._ahead_ms
        change = Extend(lease_id, destination, now_ms + ahead_ms, until_ms + ahead_ms)
        await self._group.submit(Write(lease=change), EACH_BYTES, is_result=True)
        if change.found is None:
            return None
        key, until_ms = change.found
        return Extended(from_key(key), until_ms - ahead_ms)

    async def end_lease(
        self, lease: Lease, attempt: Attempt, verdict: Verdict, now_ms: int, *, ran_out: bool
    ) -> bool | None:
        """End a lease, keep its attempt and what that means for its delivery."""
        write, size_bytes = self._result(lease.delivery, attempt, verdict)
        write.lease = end = End(
            lease.id,
            lease.delivery.destination,
            now_ms + self._ahead_ms,
            ran_out,
            to_key(lease.delivery.event_id),
            lease.delivery.replays,
        )
        await self._group.submit(write, size_bytes, is_result=True)
        return end.replayed if end.ended else None

    async def ran_out(self, destination: str, now_ms: int, limit: int) -> RanOut:
        """Return leases that ran out."""
        ahead_ms = self._ahead_ms
        at_ms = now_ms + ahead_ms
        stray: list[tuple[str]] = []

        def find(reader: sqlite3.Connection) -> RanOut:
            asked = (destination, at_ms)
            rows = reader.execute(self._sql["leases_ran_out"], (*asked, limit)).fetchall()
            stray.extend((row[1],) for row in rows if not _goes_on(row))
            found = self._leases(reader, destination, [r for r in rows if _goes_on(r)], at_ms)
            next_rows = reader.execute(self._sql["next_lease_end"], asked).fetchall()
            next_ms = next((row[0] - ahead_ms for row in next_rows), None)
            return RanOut(found, len(rows) == limit, next_ms)

        found = await self._ask(find)
        if stray:
            await self._transaction(partial(run_steps, [(self._sql["drop_lease"], stray)]))
        return found

    def _leases(
        self, reader: sqlite3.Connection, destination: str, rows: Sequence[Any], at_ms: int
    ) -> list[Lease]:
        events = self._events(reader, [from_key(row[0]) for row in rows])
        found = []
        for row in rows:
            event_id = from_key(row[0])
            delivery = Delivery(
                event_id,
                destination,
                DeliveryStatus(row[9]),
                attempts=row[2] - 1,
                attempts_before=row[10],
                replays=row[3],
                due_ms=row[6] - self._ahead_ms,
                rule=row[7],
            )
            held_ms = max(0, min(at_ms, row[6]) - row[5])
            found.append(Lease(row[1], delivery, events[event_id], row[4], held_ms, row[8]))
        return found


def _goes_on(row: Any) -> bool:
    """Whether a lease's delivery still waits for it: no other attempt has been made since."""
    return row[9] in _OPEN and row[11] == row[2] - 1
