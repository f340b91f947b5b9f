"""What alerts ask of SQLite."""

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from dispatchd.alert_kinds import AlertKind
from dispatchd.model import ErrorClass, Event, event_bytes
from dispatchd.store.alerts import AlertNote, LaneTotals, LastFailure, Waiting
from dispatchd.store.sqlite.connection import run_steps
from dispatchd.store.sqlite.lanes import why_held
from dispatchd.store.sqlite.rows import event_to_row, from_key, to_key
from dispatchd.store.sqlite.writes import Write, Writes


class AlertKeeping(Writes):
    """Keeps what alerts have told, and finds out what there is to tell."""

    async def alert_notes(self) -> Sequence[AlertNote]:
        """Return what has been told."""

        def find(reader: sqlite3.Connection) -> list[AlertNote]:
            rows = reader.execute(self._sql["alert_notes"]).fetchall()
            return [_note_from_row(row) for row in rows]

        return await self._ask(find)

    async def keep_alert_notes(
        self, notes: Collection[AlertNote], dropped: Collection[AlertNote] = ()
    ) -> None:
        """Keep notes, and forget those dropped, at once."""
        steps = [
            (self._sql["drop_alert_note"], [(n.to, n.kind, n.subject) for n in dropped]),
            (self._sql["keep_alert_note"], [_note_to_row(note) for note in notes]),
        ]
        await self._transaction(lambda writer: run_steps(steps, writer))

    async def tell_alert(self, event: Event, note: AlertNote) -> None:
        """Keep `event`, a queued delivery to `note.to` and the note, in one transaction."""
        key = to_key(event.id)
        deliveries, in_order = self._owed(key, event.received_ms, [note.to])
        write = Write(
            event=event_to_row(event, key),
            deliveries=deliveries,
            in_order=in_order,
            alert=_note_to_row(note),
            event_id=event.id,
        )
        await self._written(write, event_bytes(event) + 512)

    async def lane_totals(self) -> Mapping[str, LaneTotals]:
        """Return what ever happened to every destination."""

        def find(reader: sqlite3.Connection) -> dict[str, LaneTotals]:
            held = why_held(reader)
            return {
                name: LaneTotals(
                    failed,
                    failed_alerts,
                    None if event is None else from_key(event),
                    held_count,
                    opened,
                    held.get(name),
                    success_ms,
                )
                for name, failed, failed_alerts, event, held_count, opened, success_ms in (
                    reader.execute(self._sql["lane_totals"]).fetchall()
                )
            }

        return await self._ask(find)

    async def waiting(self, destination: str, bound: int) -> Waiting:
        """Count what a destination is owed, up to `bound`, and say how old the oldest of it is."""

        def find(reader: sqlite3.Connection) -> Waiting:
            asked = (destination, bound)
            count, oldest = reader.execute(self._sql["waiting"], asked).fetchall()[0]
            if oldest is None:
                return Waiting(0, None)
            received = reader.execute(self._sql["received"], (oldest,)).fetchall()
            return Waiting(count, received[0][0] if received else None)

        return await self._ask(find)

    async def last_failure(self, event_id: str, destination: str) -> LastFailure | None:
        """Return how a delivery's last attempt ended."""

        def find(reader: sqlite3.Connection) -> LastFailure | None:
            asked = (to_key(event_id), destination)
            for error, status_code, message in reader.execute(
                self._sql["last_failure"], asked
            ).fetchall():
                return LastFailure(
                    None if error is None else ErrorClass(error), status_code, message
                )
            return None

        return await self._ask(find)

    async def last_events(self, since_ms: int, endpoints: Collection[str]) -> Mapping[str, int]:
        """Return when each of these endpoints had its last event at or after `since_ms`."""

        def find(reader: sqlite3.Connection) -> dict[str, int]:
            rows = reader.execute(self._sql["last_events"], (since_ms,)).fetchall()
            return {endpoint: last_ms for endpoint, last_ms in rows if endpoint in endpoints}

        return await self._ask(find)


def _note_to_row(note: AlertNote) -> tuple[Any, ...]:
    return (
        note.to,
        note.kind,
        note.subject,
        note.mark,
        int(note.active),
        note.pending,
        note.since_ms,
        note.alerts,
        note.told_ms,
        None if note.event_id is None else to_key(note.event_id),
    )


def _note_from_row(row: Any) -> AlertNote:
    to, kind, subject, mark, active, pending, since_ms, alerts, told_ms, event = row
    return AlertNote(
        to,
        AlertKind(kind),
        subject,
        mark,
        bool(active),
        pending,
        since_ms,
        alerts,
        told_ms,
        None if event is None else from_key(event),
    )
