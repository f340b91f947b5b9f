"""The writes that come by the thousand, gathered to transactions: events and results."""

import asyncio
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from dispatchd.store.base import NO_RULES
from dispatchd.store.claims import Claims
from dispatchd.store.commit_times import CommitTimes
from dispatchd.store.group_commit import GroupCommit, Limits
from dispatchd.store.sqlite.connection import Step, run_steps
from dispatchd.store.sqlite.counting import count_steps
from dispatchd.store.sqlite.database import Database
from dispatchd.store.sqlite.lease_changes import LeaseChange


@dataclass(slots=True)
class Write:
    """The rows one caller wants in the next transaction.

    `duplicate_of` is the answer to `remember`: the first event's key, and nothing was kept.
    """

    event: tuple[Any, ...] | None = None
    deliveries: tuple[tuple[Any, ...], ...] = ()
    attempt: tuple[Any, ...] | None = None
    settle: dict[str, Any] | None = None
    sent: tuple[bytes, str, bytes, str | None] | None = None
    not_sent: tuple[bytes, str] | None = None  # whose earlier `sent` does not count any more
    succeeded: tuple[int, str] | None = None  # when, and which lane
    failed: tuple[int, str, str] | None = None  # when, why, and which lane
    dead: tuple[bytes, str] | None = None  # a delivery that failed for good: event and lane
    alert: tuple[Any, ...] | None = None  # what is noted with an event of our own
    lease: LeaseChange | None = None  # asked first: the rest is written only where it says so
    remember: tuple[bytes, str, bytes, int] | None = None
    duplicate_of: bytes | None = None
    # Whose deliveries this write hands out (an event) or lets go of (a result), once it is durable.
    event_id: str = ""
    claims: Collection[str] = ()
    abandoned: bool = False  # nobody waits for the answer any more: let go of its claims
    ended: bool = False


class Writes(Database):
    """Group commit over the database, and the claims that its batches move."""

    def __init__(
        self, path: str, *, busy_timeout_ms: int = 2000, limits: Limits | None = None
    ) -> None:
        super().__init__(path, busy_timeout_ms=busy_timeout_ms)
        self._group: GroupCommit[Write] = GroupCommit(self._commit, limits)
        self._claims = Claims()

    def commit_times(self) -> CommitTimes:
        """Return how long commits took since the start."""
        return self._group.times

    async def close(self) -> None:
        """Finish the writes under way and let go of the database."""
        await self._group.close()
        await super().close()

    def _owed(
        self,
        key: bytes,
        due_ms: int,
        destinations: Sequence[str],
        rules: Mapping[str, str] = NO_RULES,
    ) -> tuple[tuple[Any, ...], ...]:
        """Return the rows of new deliveries."""
        return tuple(
            (key, destination, due_ms + self._ahead_ms, rules.get(destination))
            for destination in destinations
        )

    async def _written(self, write: Write, size_bytes: int) -> None:
        """Return once an event is durable; a caller that goes away leaves no claim behind."""
        try:
            await self._group.submit(write, size_bytes)
        except asyncio.CancelledError:  # it may be kept all the same, with nobody to deliver it
            write.abandoned = True
            if write.ended:
                self._claims.let_go(write.event_id, write.claims)
            raise

    def _commit(self, batch: Sequence[Write]) -> "asyncio.Future[Any]":
        """Make a batch durable: one statement per table, one COMMIT, one fsync.

        What it hands out is marked before it can be seen, what it settles is let go after.
        """
        for write in batch:
            if write.event is not None and write.claims:
                self._claims.hold(write.event_id, write.claims)
        asks = any(w.remember is not None or w.lease is not None for w in batch)
        ordered = self._ordered  # as of now: a lane may have become one while they waited
        try:
            committing = self._transaction(
                (lambda writer: run_steps(self._steps_after_asking(writer, batch, ordered), writer))
                if asks
                else partial(run_steps, _steps(self._sql, batch, ordered))
            )
        except BaseException:
            self._not_committed(batch)
            raise
        committing.add_done_callback(partial(self._committed, batch))
        return committing

    def _committed(self, batch: Sequence[Write], committing: "asyncio.Future[Any]") -> None:
        if committing.cancelled() or committing.exception() is not None:
            self._not_committed(batch)
            return
        for write in batch:
            write.ended = True
            if write.event is None or write.abandoned or write.duplicate_of is not None:
                self._claims.let_go(write.event_id, write.claims)

    def _not_committed(self, batch: Sequence[Write]) -> None:
        for write in batch:
            if write.event is not None:  # there is no such event
                self._claims.let_go(write.event_id, write.claims)

    def _steps_after_asking(
        self, connection: sqlite3.Connection, batch: Sequence[Write], ordered: Collection[str]
    ) -> Sequence[Step]:
        """Leave out what must not be written: duplicates, and the ends of leases that are gone.

        Runs inside the transaction that writes, so nothing can slip between.
        """
        fresh, remembered = self._fresh(connection, batch)
        sql = self._sql
        kept = [w for w in fresh if w.lease is None or w.lease.apply(sql, connection)]
        return _steps(sql, kept, ordered, remembered=remembered)

    def _fresh(
        self, connection: sqlite3.Connection, batch: Sequence[Write]
    ) -> tuple[Sequence[Write], bool]:
        """Leave out the duplicates: of an earlier event, or of one before them in the batch.

        Nearly every key is new: all are inserted at once, and only a batch with a known one is
        looked through. Returns whether that was so, too.
        """
        keys = [w.remember for w in batch if w.remember is not None]
        if not keys or connection.executemany(self._sql["remember_new"], keys).rowcount == len(
            keys
        ):
            for write in batch:
                write.duplicate_of = None  # a batch may be tried again, halved
            return batch, True
        connection.execute("ROLLBACK")
        connection.execute("BEGIN IMMEDIATE")
        taken: dict[tuple[bytes, str], tuple[bytes, int]] = {}
        fresh = []
        for write in batch:
            write.duplicate_of = None  # a batch may be tried again, halved
            if write.remember is None or write.event is None:
                fresh.append(write)
                continue
            name = write.remember[:2]
            if name not in taken:
                found = connection.execute(self._sql["remembered"], name).fetchone()
                taken[name] = found or (b"", 0)
            first, expires_ms = taken[name]
            if expires_ms > write.event[3]:
                write.duplicate_of = first
            else:
                taken[name] = write.remember[2:]
                fresh.append(write)
        return fresh, False


def _steps(
    sql: Mapping[str, str],
    batch: Sequence[Write],
    ordered: Collection[str],
    *,
    remembered: bool = False,
) -> Sequence[Step]:
    """Return the statements of a batch, each with its rows; most have none.

    One pass: nearly every batch is of a write or two.
    """
    rows: dict[str, list[Any]] = {name: [] for name in _IN_TURN}
    for write in batch:
        if write.event is not None:
            rows["add_event"].append(write.event)
            for owed in write.deliveries:
                rows["add_ordered_delivery" if owed[1] in ordered else "add_delivery"].append(owed)
            if write.remember is not None and not remembered:
                rows["remember"].append(write.remember)
            if write.alert is not None:
                rows["keep_alert_note"].append(write.alert)
        if write.attempt is not None:  # and what it makes of its delivery: `settle`
            _result_rows(rows, write)
    counted = count_steps(sql, batch)
    return [*((sql[name], some) for name, some in rows.items() if some), *counted]


def _result_rows(rows: dict[str, list[Any]], write: Write) -> None:
    rows["add_attempt"].append(write.attempt)
    rows["settle"].append(write.settle)
    if write.sent is not None:
        rows["keep_sent"].append(write.sent)
    if write.not_sent is not None:
        rows["drop_sent"].append(write.not_sent)
    if write.succeeded is not None:
        rows["lane_succeeded"].append(write.succeeded)
    if write.failed is not None:
        rows["lane_failed"].append(write.failed)
    if write.dead is not None:
        rows["count_dead"].append(write.dead)


# The order in which a batch's statements run: each finds what the earlier ones have written.
_IN_TURN: Final = (
    "add_event",
    "remember",
    "add_delivery",
    "add_ordered_delivery",
    "add_attempt",
    "settle",
    "keep_sent",
    "drop_sent",
    "lane_succeeded",
    "lane_failed",
    "count_dead",
    "keep_alert_note",
)
