"""What ingest asks of SQLite."""

from collections.abc import Collection, Mapping, Sequence

from dispatchd.model import Delivery, DeliveryStatus, Event, event_bytes
from dispatchd.store.base import NO_RULES, Duplicate, Idempotency
from dispatchd.store.sqlite.rows import event_to_row, from_key, to_key
from dispatchd.store.sqlite.writes import Write, Writes


class Intake(Writes):
    """Keeps events."""

    async def add_event(
        self,
        event: Event,
        destinations: Sequence[str],
        idempotency: Idempotency | None = None,
        *,
        claim: Collection[str] = (),
        rules: Mapping[str, str] = NO_RULES,
    ) -> Sequence[Delivery] | Duplicate:
        """Keep `event` and a queued delivery to each destination, durably, in one transaction."""
        key = to_key(event.id)
        due_ms = event.received_ms
        row = event_to_row(event, key)
        write = Write(
            event=row,
            deliveries=self._owed(key, due_ms, destinations, rules),
            remember=None
            if idempotency is None
            else (row[2], idempotency.key, key, idempotency.expires_ms),
            event_id=event.id,
            claims=claim,
        )
        await self._written(write, event_bytes(event) + 512)
        if write.duplicate_of is not None:
            return Duplicate(from_key(write.duplicate_of))
        return [
            Delivery(event.id, to, DeliveryStatus.QUEUED, 0, 0, 0, due_ms, rule=rules.get(to))
            for to in claim
        ]
