"""The writes that come by the thousand, gathered to transactions: events and results."""

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from dispatchd.store.base import NO_RULES
from dispatchd.store.claims import Claims
from dispatchd.store.commit_times import CommitTimes
from dispatchd.store.group_commit import Ended, GroupCommit, Limits
from dispatchd.store.sqlite.connection import Step, run_steps, transact
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

    def _commit(self, batch: Sequence[Write], ended: Ended) -> None:
        """Make a batch durable: one statement per table, one COMMIT, one fsync.

        What it hands out is marked before it can be seen, what it settles is let go after.
        """
        asks = False
        for write in batch:
            if write.event is not None and write.claims:
                self._claims.hold(write.event_id, write.claims)
            if write.remember is not None or write.lease is not None:
                asks = True
        ordered = self._ordered  # as of now: a lane may have become one while they waited
        work = (
            partial(self._run_after_asking, batch, ordered)
            if asks
            else partial(run_steps, _steps(self._sql, batch, ordered))
        )
        try:
            self._open_writer().begin(
                partial(transact, work=work, check=self._still_there),
                partial(self._committed, batch, ended),
            )
        except BaseException:
            self._not_committed(batch)
            raise

    def _committed(
        self, batch: Sequence[Write], ended: Ended, _: object, error: BaseException | None
    ) -> None:
        if error is None:
            for write in batch:
                write.ended = True
                if write.event is None or write.abandoned or write.duplicate_of is not None:
                    self._claims.let_go(write.event_id, write.claims)
        else:
            self._not_committed(batch)
        ended(error)

    def _not_committed(self, batch: Sequence[Write]) -> None:
        for write in batch:
            if write.event is not None:  # there is no such event
                self._claims.let_go(write.event_id, write.claims)

    def _run_after_asking(
        self, batch: Sequence[Write], ordered: Collection[str], connection: sqlite3.Connection
    ) -> None:
        run_steps(self._steps_after_asking(connection, batch, ordered), connection)

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
    """Return the statements of a batch, each with its rows, in the order in which they run.

    Each finds what the earlier ones have written. One pass: nearly every batch is of a write or
    two, and most statements have no rows.
    """
    events: list[Any] = []
    owed: list[Any] = []
    attempts: list[Any] = []
    settled: list[Any] = []
    rare: dict[str, list[Any]] = defaultdict(list)
    for write in batch:
        if write.event is not None:
            events.append(write.event)
            if ordered:
                _add_owed(owed, rare, write.deliveries, ordered)
            else:
                owed += write.deliveries
            if write.remember is not None and not remembered:
                rare["remember"].append(write.remember)
            if write.alert is not None:
                rare["keep_alert_note"].append(write.alert)
        if write.attempt is not None:  # and what it makes of its delivery
            attempts.append(write.attempt)
            settled.append(write.settle)
            _add_rare(rare, write)
    steps: list[Step] = [
        (sql["add_event"], events),
        (sql["add_delivery"], owed),
        (sql["add_attempt"], attempts),
        (sql["settle"], settled),
    ]
    if rare:
        steps += [(sql[name], rare[name]) for name in _RARE if name in rare]
    return steps + count_steps(sql, events, attempts, settled)


def _add_owed(
    owed: list[Any],
    rare: Mapping[str, list[Any]],
    rows: Sequence[tuple[Any, ...]],
    ordered: Collection[str],
) -> None:
    for row in rows:
        if row[1] in ordered:
            rare["add_ordered_delivery"].append(row)
        else:
            owed.append(row)


def _add_rare(rare: Mapping[str, list[Any]], write: Write) -> None:
    """Add what few results bring."""
    if write.sent is not None:
        rare["keep_sent"].append(write.sent)
    if write.not_sent is not None:
        rare["drop_sent"].append(write.not_sent)
    if write.succeeded is not None:
        rare["lane_succeeded"].append(write.succeeded)
    if write.failed is not None:
        rare["lane_failed"].append(write.failed)
    if write.dead is not None:
        rare["count_dead"].append(write.dead)


_RARE: Final = (
    "remember",
    "add_ordered_delivery",
    "keep_sent",
    "drop_sent",
    "lane_succeeded",
    "lane_failed",
    "count_dead",
    "keep_alert_note",
)
