"""The writes that come by the thousand, gathered to transactions: events and results."""

import asyncio
import sqlite3
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from dispatchd.store.base import NO_RULES
from dispatchd.store.claims import Claims
from dispatchd.store.commit_times import CommitTimes
from dispatchd.store.group_commit import Ended, GroupCommit, Limits
from dispatchd.store.sqlite import counting
from dispatchd.store.sqlite.connection import run_steps, transact
from dispatchd.store.sqlite.counting import count_attempts
from dispatchd.store.sqlite.database import Database
from dispatchd.store.sqlite.lease_changes import LeaseChange

# Counts are added up so often, and after so many writes: few enough to look at meanwhile.
ADD_UP_S: Final = 1.0
ADD_UP_WRITES: Final = 500


@dataclass(slots=True)
class Write:
    """The rows one caller wants in the next transaction.

    `duplicate_of` is the answer to `remember`: the first event's key, and nothing was kept.
    """

    event: tuple[Any, ...] | None = None
    deliveries: tuple[tuple[Any, ...], ...] = ()
    attempt: tuple[Any, ...] | None = None
    settle: tuple[Any, ...] | None = None  # its status second
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
        self._added_up_s = 0.0  # monotonic, when last
        self._uncounted = 0  # writes since

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
        add_up = self._is_time_to_add_up(len(batch))
        work = (
            partial(self._write_after_asking, batch, ordered, add_up)
            if asks
            else partial(self._write, _rows(batch, ordered), add_up)
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

    def _is_time_to_add_up(self, writes: int) -> bool:
        """Whether to add to the counts what is not counted yet."""
        self._uncounted += writes
        now_s = time.monotonic()
        if self._uncounted < ADD_UP_WRITES and now_s - self._added_up_s < ADD_UP_S:
            return False
        self._uncounted, self._added_up_s = 0, now_s
        return True

    def _write_after_asking(
        self,
        batch: Sequence[Write],
        ordered: Collection[str],
        add_up: bool,
        connection: sqlite3.Connection,
    ) -> None:
        """Leave out what must not be written: duplicates, and the ends of leases that are gone.

        Runs inside the transaction that writes, so nothing can slip between.
        """
        fresh, remembered = self._fresh(connection, batch)
        sql = self._sql
        kept = [w for w in fresh if w.lease is None or w.lease.apply(sql, connection)]
        self._write(_rows(kept, ordered, remembered=remembered), add_up, connection)

    def _write(
        self,
        rows: Mapping[str, Sequence[Any]],
        add_up: bool,
        connection: sqlite3.Connection,
    ) -> None:
        sql = self._sql
        run_steps([(sql[name], rows[name]) for name in rows], connection)
        if rows["add_attempt"]:
            count_attempts(sql, rows["add_attempt"], rows["settle"], connection)
        if add_up:
            counting.add_up(sql, connection)

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


def _rows(
    batch: Sequence[Write], ordered: Collection[str], *, remembered: bool = False
) -> Mapping[str, Sequence[Any]]:
    """Return the rows of a batch by the statement that takes them, in the order in which they run.

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
    rows = {"add_event": events, "add_delivery": owed, "add_attempt": attempts, "settle": settled}
    if rare:
        rows.update([(name, rare[name]) for name in _RARE if name in rare])
    return rows


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
