"""What delivery asks of SQLite: what is owed, and what came of it."""

import asyncio
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from dispatchd.model import (
    Attempt,
    Dead,
    Delivered,
    Delivery,
    DeliveryStatus,
    ErrorClass,
    Event,
    RetryAt,
    Sent,
    Verdict,
)
from dispatchd.store.base import Claimed
from dispatchd.store.group_commit import Limits
from dispatchd.store.sqlite.connection import scalar
from dispatchd.store.sqlite.rows import (
    attempt_to_row,
    delivery_from_row,
    event_from_row,
    to_key,
)
from dispatchd.store.sqlite.writes import Write, Writes

IDS_PER_QUERY: Final = 64
NOTHING_SENT: Final = (ErrorClass.TRANSFORM, ErrorClass.EVALUATOR, ErrorClass.INTERNAL)
AS_IT_WAS: Final = Sent(None)
MARK_EVERY_MS: Final = 1000  # how exactly the last success and the last error of a lane are kept


class Schedule(Writes):
    """Hands deliveries out and keeps their results."""

    def __init__(
        self, path: str, *, busy_timeout_ms: int = 2000, limits: Limits | None = None
    ) -> None:
        super().__init__(path, busy_timeout_ms=busy_timeout_ms, limits=limits)
        # What of a lane's last success, and its last error of each class, was written when.
        self._marked: dict[tuple[str, ErrorClass | None], int] = {}

    async def claim(self, destination: str, now_ms: int, limit: int, max_bytes: int) -> Claimed:
        """Hand out up to `limit` open deliveries due by `now_ms`, the longest due first."""
        ahead_ms = self._ahead_ms
        after = (destination, now_ms + ahead_ms)
        with self._claims.look(destination) as look:
            asked = limit + len(look.held)

            def find(reader: sqlite3.Connection) -> Claimed:
                rows = reader.execute(self._sql["claim"], (*after, asked)).fetchall()
                chosen, cut, next_bytes, replayed = _choose(
                    rows, limit, max_bytes, look.held, ahead_ms
                )
                for place, delivery in enumerate(chosen):
                    if delivery.as_sent is not None:
                        chosen[place] = self._as_sent(reader, delivery)
                events = self._events(reader, [delivery.event_id for delivery in chosen])
                next_rows = reader.execute(self._sql["next_due"], after).fetchall()
                return Claimed(
                    [(delivery, events[delivery.event_id]) for delivery in chosen],
                    cut or len(rows) == asked,
                    next((row[0] - ahead_ms for row in next_rows), None),
                    next_bytes,
                    replayed,
                )

            found = await self._ask(find)
            taken = [one for one in found.ready if look.take(one[0].event_id, one[0].replays)]
            missed = len(taken) < len(found.ready) or not look.missed.isdisjoint(found.replayed)
        return replace(found, ready=taken, more=True) if missed else found

    async def claim_in_order(self, destination: str, now_ms: int, max_bytes: int) -> Claimed:
        """Hand out the open delivery whose event was kept first, if it is due by `now_ms`."""
        ahead_ms = self._ahead_ms
        with self._claims.look(destination) as look:

            def find(reader: sqlite3.Connection) -> Claimed:
                for row in reader.execute(self._sql["claim_in_order"], (destination,)).fetchall():
                    first = delivery_from_row(row, ahead_ms)
                    # What was replayed came before what a consumer may have meanwhile.
                    leased = reader.execute(self._sql["last_lease_end"], (destination,)).fetchall()
                    due_ms = max([first.due_ms, *(until_ms - ahead_ms for (until_ms,) in leased)])
                    if due_ms > now_ms:
                        return Claimed([], more=False, next_due_ms=due_ms)
                    if row[7] > max_bytes:
                        return Claimed([], more=True, next_due_ms=None, next_bytes=row[7])
                    if first.as_sent is not None:
                        first = self._as_sent(reader, first)
                    event = self._events(reader, [first.event_id])[first.event_id]
                    return Claimed([(first, event)], more=True, next_due_ms=None)
                return Claimed([], more=False, next_due_ms=None)

            found = await self._ask(find)
            taken = [one for one in found.ready if look.take(one[0].event_id, one[0].replays)]
        return found if len(taken) == len(found.ready) else replace(found, ready=taken)

    def _as_sent(self, reader: sqlite3.Connection, delivery: Delivery) -> Delivery:
        """Find what the last attempt sent: the event's own body, unless another was kept."""
        key = (to_key(delivery.event_id), delivery.destination)
        kept = reader.execute(self._sql["sent"], key).fetchall()
        return replace(delivery, as_sent=Sent(*kept[0])) if kept else delivery

    def _events(self, reader: sqlite3.Connection, ids: Sequence[str]) -> dict[str, Event]:
        found: dict[str, Event] = {}
        for start in range(0, len(ids), IDS_PER_QUERY):
            chunk = ids[start : start + IDS_PER_QUERY]
            sql = self._sql["event"].replace("= ?", f"IN ({','.join('?' * len(chunk))})")
            for row in reader.execute(sql, [to_key(i) for i in chunk]).fetchall():
                event = event_from_row(row)
                found[event.id] = event
        return found

    def record(
        self, delivery: Delivery, attempt: Attempt, verdict: Verdict, *, patient: bool = False
    ) -> asyncio.Future[None]:
        """Keep an attempt and what it means for its delivery, in one transaction; let it go."""
        write, size_bytes = self._result(delivery, attempt, verdict)
        if attempt.sent is not None:
            key = to_key(delivery.event_id)
            write.sent = (key, delivery.destination, attempt.sent, attempt.sent_variant)
            size_bytes += len(attempt.sent)
        elif delivery.attempts and attempt.error not in NOTHING_SENT:
            write.not_sent = (to_key(delivery.event_id), delivery.destination)
        return self._group.submit(write, size_bytes, is_result=True, patient=patient)

    def _result(self, delivery: Delivery, attempt: Attempt, verdict: Verdict) -> tuple[Write, int]:
        """Return the rows of a result but for what was sent, and about how many bytes they are."""
        key = to_key(delivery.event_id)
        status, due_ms, uncounted = _settled(verdict, delivery.due_ms)
        write = Write(
            attempt=attempt_to_row(attempt, key),
            settle=(
                delivery.replays,
                str(status),
                due_ms + self._ahead_ms,
                attempt.number,
                uncounted,
                attempt.rule,
                key,
                delivery.destination,
            ),
            event_id=delivery.event_id,
            claims=(delivery.destination,),
        )
        if isinstance(verdict, Dead):
            write.dead = (key, delivery.destination)
        self._mark(write, attempt)
        return write, len(attempt.response_head) + 512

    def _mark(self, write: Write, attempt: Attempt) -> None:
        """Have the lane's last success or error written too, unless it just was."""
        what, now_ms = (attempt.destination, attempt.error), attempt.started_ms
        if abs(now_ms - self._marked.get(what, -MARK_EVERY_MS)) < MARK_EVERY_MS:
            return
        self._marked[what] = now_ms
        if attempt.error is None:
            write.succeeded = (now_ms, attempt.destination)
        else:
            write.failed = (now_ms, attempt.error, attempt.destination)

    def release(self, delivery: Delivery) -> None:
        """Give back a claimed delivery without an attempt: it is due as it was."""
        self._claims.let_go(delivery.event_id, (delivery.destination,))

    async def version(self) -> int:
        """Return a number that moves when another process has changed something."""
        # On the writer: what this process writes does not move it.
        # https://www.sqlite.org/pragma.html#pragma_data_version
        return int(await self._open_writer().run(lambda w: scalar(w, "PRAGMA data_version")))


def _choose(
    rows: Iterable[Any], limit: int, max_bytes: int, held: Mapping[str, int], ahead_ms: int
) -> tuple[list[Delivery], bool, int | None, list[str]]:
    """Pick from `claim` rows what fits both bounds; say whether, and what, a bound cut off.

    Last come those in hand that were replayed since they were handed out.
    """
    chosen: list[Delivery] = []
    chosen_bytes = 0
    replayed: list[str] = []
    for row in rows:
        delivery = delivery_from_row(row, ahead_ms)
        replays = held.get(delivery.event_id)
        if replays is not None:
            if replays != delivery.replays:
                replayed.append(delivery.event_id)
            continue
        if len(chosen) == limit:
            return chosen, True, None, replayed
        chosen_bytes += row[7]
        if chosen_bytes > max_bytes:
            return chosen, True, row[7], replayed
        chosen.append(replace(delivery, as_sent=AS_IT_WAS) if row[8] else delivery)
    return chosen, False, None, replayed


def _settled(verdict: Verdict, due_ms: int) -> tuple[DeliveryStatus, int, int]:
    match verdict:
        case Delivered():
            return DeliveryStatus.SUCCESS, due_ms, 0
        case Dead():
            return DeliveryStatus.FAILED, due_ms, 0
        case RetryAt(due_ms=next_ms, counted=counted):
            return DeliveryStatus.RETRYING, next_ms, 0 if counted else 1
