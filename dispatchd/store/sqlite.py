"""The store on SQLite: WAL, `synchronous=FULL`, one writer, a reader of its own.

Writes go through group commit on the writer's connection; reads never wait for them.
"""

import asyncio
import os
import sqlite3
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, TypeVar

import aiosqlite

from dispatchd.errors import StoreUnavailable, StoreUnusable
from dispatchd.model import (
    Attempt,
    Dead,
    Delivered,
    Delivery,
    DeliveryStatus,
    Event,
    RetryAt,
    Verdict,
)
from dispatchd.store import sqlite_files, sqlite_reads, sqlite_upkeep
from dispatchd.store.base import (
    Claimed,
    Duplicate,
    EventQuery,
    EventStory,
    EventSummary,
    Idempotency,
    Pruned,
    ReplayQuery,
    Stats,
)
from dispatchd.store.claims import Claims
from dispatchd.store.group_commit import GroupCommit, Limits
from dispatchd.store.rows import (
    attempt_to_row,
    delivery_from_row,
    event_from_row,
    event_to_row,
    from_key,
    statements,
    to_key,
)
from dispatchd.store.sqlite_connection import (
    Step,
    connect,
    faults,
    migrate,
    run,
    run_steps,
    scalar,
    snapshot,
    transact,
)

IDS_PER_QUERY: Final = 64

T = TypeVar("T")


@dataclass(slots=True)
class _Write:
    """The rows one caller wants in the next transaction.

    `duplicate_of` is the answer to `remember`: the first event's key, and nothing was kept.
    """

    event: tuple[Any, ...] | None = None
    deliveries: tuple[tuple[Any, ...], ...] = ()
    attempt: tuple[Any, ...] | None = None
    settle: dict[str, Any] | None = None
    remember: tuple[bytes, str, bytes, int] | None = None
    duplicate_of: bytes | None = None
    # Whose deliveries this write hands out (an event) or lets go of (a result), once it is durable.
    event_id: str = ""
    claims: Collection[str] = ()
    abandoned: bool = False  # nobody waits for the answer any more: let go of its claims
    ended: bool = False


class SqliteStore:
    """Store on one SQLite file at `path`.

    `busy_timeout_ms` is how long a write waits while another process holds the write lock.
    """

    def __init__(
        self, path: str, *, busy_timeout_ms: int = 2000, limits: Limits | None = None
    ) -> None:
        self._path = path
        self._busy_timeout_ms = busy_timeout_ms
        self._sql = statements()
        self._group: GroupCommit[_Write] = GroupCommit(self._commit, limits)
        self._claims = Claims()
        self._write_lock = asyncio.Lock()
        self._writer: aiosqlite.Connection | None = None
        self._reader: aiosqlite.Connection | None = None
        self._files: sqlite_files.OpenFiles | None = None
        self._lock: int | None = None  # a file descriptor
        self._ahead_ms = 0  # how far the schedule, which never goes back, is ahead of the clock

    # Life

    async def open(self) -> None:
        """Connect and migrate. Raises StoreUnusable where that cannot work."""
        sqlite_files.prepare(self._path)
        try:
            self._writer = await connect(self._path, self._busy_timeout_ms)
            await run(self._writer, lambda writer: migrate(writer, self._path))
            self._reader = await connect(self._path, self._busy_timeout_ms)
            _, self._ahead_ms = await run(self._reader, self._ready_to_read)
            self._files = sqlite_files.OpenFiles(self._path)
        except sqlite3.Error as error:
            await self.close()
            raise StoreUnusable(f"cannot open {self._path}: {error}") from error
        except BaseException:
            await self.close()
            raise

    def _ready_to_read(self, reader: sqlite3.Connection) -> tuple[int, int]:
        reader.execute("PRAGMA query_only = ON")
        return sqlite_upkeep.kept_time(self._sql, reader)

    def warnings(self) -> Sequence[str]:
        """Return what is worth a sentence to the operator about the open store."""
        sentence = sqlite_files.too_open(self._path)
        return [] if sentence is None else [sentence]

    async def close(self) -> None:
        """Finish the writes under way and let go of the database."""
        await self._group.close()
        connections = (self._reader, self._writer)
        self._reader = self._writer = None  # first: who comes meanwhile is told `closed`
        for connection in connections:
            if connection is not None:
                await connection.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def lock(self) -> None:
        """Become the one daemon on this database. Raises AlreadyRunning."""
        self._lock = sqlite_files.lock(self._path)

    # Hot path

    async def add_event(
        self,
        event: Event,
        destinations: Sequence[str],
        idempotency: Idempotency | None = None,
        *,
        claim: Collection[str] = (),
    ) -> Sequence[Delivery] | Duplicate:
        """Keep `event` and a queued delivery to each destination, durably, in one transaction."""
        key = to_key(event.id)
        due_ms = event.received_ms
        row = event_to_row(event, key)
        write = _Write(
            event=row,
            deliveries=tuple(
                (key, destination, due_ms + self._ahead_ms) for destination in destinations
            ),
            remember=None
            if idempotency is None
            else (row[2], idempotency.key, key, idempotency.expires_ms),
            event_id=event.id,
            claims=claim,
        )
        try:
            await self._group.write(write, len(event.body) + 512)
        except asyncio.CancelledError:  # it may be kept all the same, with nobody to deliver it
            write.abandoned = True
            if write.ended:
                self._claims.let_go(write.event_id, write.claims)
            raise
        if write.duplicate_of is not None:
            return Duplicate(from_key(write.duplicate_of))
        return [
            Delivery(event.id, destination, DeliveryStatus.QUEUED, 0, 0, 0, due_ms)
            for destination in claim
        ]

    def record(
        self, delivery: Delivery, attempt: Attempt, verdict: Verdict
    ) -> asyncio.Future[None]:
        """Keep an attempt and what it means for its delivery, in one transaction; let it go."""
        key = to_key(delivery.event_id)
        status, due_ms, uncounted = _settled(verdict, delivery.due_ms)
        write = _Write(
            attempt=attempt_to_row(attempt, key),
            settle={
                "replays": delivery.replays,
                "status": status,
                "due_ms": due_ms + self._ahead_ms,
                "attempts": attempt.number,
                "uncounted": uncounted,
                "event_id": key,
                "destination": delivery.destination,
            },
            event_id=delivery.event_id,
            claims=(delivery.destination,),
        )
        return self._group.submit(write, len(attempt.response_head) + 512, must_queue=True)

    def release(self, delivery: Delivery) -> None:
        """Give back a claimed delivery without an attempt: it is due as it was."""
        self._claims.let_go(delivery.event_id, (delivery.destination,))

    async def _commit(self, batch: Sequence[_Write]) -> None:
        """Make a batch durable: one statement per table, one COMMIT, one fsync.

        What it hands out is marked before it can be seen, what it settles is let go after.
        """
        for write in batch:
            if write.event is not None and write.claims:
                self._claims.hold(write.event_id, write.claims)
        try:
            if any(w.remember is not None for w in batch):
                await self._transaction(
                    lambda writer: run_steps(self._fresh_steps(writer, batch), writer)
                )
            else:
                await self._transaction(partial(run_steps, _steps(self._sql, batch)))
        except BaseException:
            for write in batch:
                if write.event is not None:  # there is no such event
                    self._claims.let_go(write.event_id, write.claims)
            raise
        for write in batch:
            write.ended = True
            if write.event is None or write.abandoned or write.duplicate_of is not None:
                self._claims.let_go(write.event_id, write.claims)

    def _fresh_steps(
        self, connection: sqlite3.Connection, batch: Sequence[_Write]
    ) -> Sequence[Step]:
        """Leave out the duplicates: of an earlier event, or of one before them in the batch.

        Runs inside the transaction that inserts, so no second copy can slip between. Nearly every
        key is new: all are inserted at once, and only a batch with a known one is looked through.
        """
        keys = [w.remember for w in batch if w.remember is not None]
        if connection.executemany(self._sql["remember_new"], keys).rowcount == len(keys):
            for write in batch:
                write.duplicate_of = None  # a batch may be tried again, halved
            return _steps(self._sql, batch, remembered=True)
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
        return _steps(self._sql, fresh)

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

    async def version(self) -> int:
        """Return a number that moves when another process has changed something."""
        if self._writer is None:
            raise StoreUnavailable("closed", "the store is closed")
        # On the writer: what this process writes does not move it.
        # https://www.sqlite.org/pragma.html#pragma_data_version
        with faults():
            return int(await run(self._writer, lambda w: scalar(w, "PRAGMA data_version")))

    def _events(self, reader: sqlite3.Connection, ids: Sequence[str]) -> dict[str, Event]:
        found: dict[str, Event] = {}
        for start in range(0, len(ids), IDS_PER_QUERY):
            chunk = ids[start : start + IDS_PER_QUERY]
            sql = self._sql["event"].replace("= ?", f"IN ({','.join('?' * len(chunk))})")
            for row in reader.execute(sql, [to_key(i) for i in chunk]).fetchall():
                event = event_from_row(row)
                found[event.id] = event
        return found

    # Lanes and time

    async def open_lanes(self, destinations: Collection[str]) -> Sequence[str]:
        """Declare which destinations exist; return those that owe deliveries but are gone."""

        def declare(writer: sqlite3.Connection) -> Sequence[str]:
            known = writer.execute("SELECT destination FROM lanes").fetchall()
            gone = [row[0] for row in known if row[0] not in destinations]
            run_steps(
                [
                    (self._sql["open_lane"], [(name,) for name in destinations]),
                    (self._sql["hold_lane"], [("not in the config", name) for name in gone]),
                ],
                writer,
            )
            return [name for name in gone if writer.execute(self._sql["owes"], (name,)).fetchall()]

        return await self._transaction(declare)

    async def kept_time(self) -> int:
        """Return the wall clock (Unix ms) as it was last kept; 0 where it never was."""
        wall_ms, _ = await self._ask(partial(sqlite_upkeep.kept_time, self._sql))
        return wall_ms

    async def keep_time(self, now_ms: int, set_back_ms: int = 0) -> None:
        """Keep the wall clock and, in the same transaction, by how much it was set back."""
        self._ahead_ms = await self._transaction(
            partial(sqlite_upkeep.keep_time, self._sql, now_ms, set_back_ms)
        )

    # Looking things up

    async def find_events(self, query: EventQuery) -> Sequence[EventSummary]:
        """List events, newest first."""
        return await self._ask(partial(sqlite_reads.find_events, query))

    async def get_event(self, event_id: str) -> EventStory | None:
        """Return one event and everything that happened to it; None where there is none."""
        return await self._ask(partial(sqlite_reads.get_event, event_id, self._ahead_ms))

    async def stats(self, since_ms: int) -> Stats:
        """Count events and deliveries."""
        return await self._ask(partial(sqlite_reads.stats, since_ms, self._ahead_ms))

    # Maintenance

    async def replay(self, query: ReplayQuery, now_ms: int) -> AsyncIterator[int]:
        """Start deliveries afresh, in batches of one transaction each; yield each one's count."""
        due_ms = now_ms + self._ahead_ms
        last: sqlite_reads.Last = None
        while (found := await self._ask(partial(sqlite_reads.replayable, query, last))) is not None:
            keys, last = found
            if keys:
                steps = [(self._sql["replay"], [(due_ms, *key) for key in keys])]
                yield await self._transaction(partial(run_steps, steps))

    async def prune(self, before_ms: int, failed_before_ms: int) -> AsyncIterator[Pruned]:
        """Delete the events received before `before_ms` that owe nothing any more."""
        cuts = sqlite_upkeep.Cuts(before_ms, failed_before_ms)
        last: tuple[int, int] | None = sqlite_upkeep.BEFORE_ALL
        while last is not None:
            pruned, last = await self._transaction(
                partial(sqlite_upkeep.prune_batch, self._sql, cuts, last)
            )
            if last is not None:
                yield pruned
            while await self._transaction(sqlite_upkeep.give_back):
                pass

    async def forget(self, now_ms: int) -> int:
        """Forget idempotency keys whose window ended by `now_ms`: one small batch."""
        return await self._transaction(partial(sqlite_upkeep.forget, self._sql, now_ms))

    async def backup(self, path: str) -> None:
        """Write a consistent copy of the database to `path` while it is in use."""
        self._open_reader()

        def copy() -> None:
            sqlite_files.create_private(path)
            with closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
                connection.execute("VACUUM INTO ?", (path,))

        with faults():
            # Not on the reader: it is query_only, and would keep every other read waiting.
            await asyncio.to_thread(copy)

    async def check(self) -> None:
        """Prove that the database is the one that was opened: cheap, writes nothing."""
        if self._files is not None:
            files = self._files
            await self._ask(lambda _reader: files.check())

    async def ping(self) -> None:
        """Prove that the store answers reads and can write."""
        await self.check()
        await self._ask(lambda reader: reader.execute("SELECT count(*) FROM lanes").fetchall())
        await self._transaction(partial(run_steps, [(self._sql["probe"], [()])]))

    # Plumbing

    async def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one transaction, whole on the writer's thread; no cursor may come back.

        Raises StoreUnavailable or WriteRejected with nothing changed.
        """
        async with self._write_lock:
            if self._writer is None:
                raise StoreUnavailable("closed", "the store is closed")
            with faults():
                return await run(
                    self._writer, lambda writer: transact(writer, work, self._still_there)
                )

    async def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Answer `question` from one state of the database, whole on the reader's thread."""
        reader = self._open_reader()
        with faults():
            return await run(reader, lambda reader: snapshot(reader, question))

    def _still_there(self) -> None:
        """Refuse to commit into a file that nobody will find again."""
        if self._files is not None:
            self._files.check(data_only=True)

    def _open_reader(self) -> aiosqlite.Connection:
        if self._reader is None:
            raise StoreUnavailable("closed", "the store is closed")
        return self._reader


def _steps(
    sql: Mapping[str, str], batch: Sequence[_Write], *, remembered: bool = False
) -> Sequence[Step]:
    keys = () if remembered else [w.remember for w in batch if w.remember is not None]
    return (
        (sql["add_event"], [w.event for w in batch if w.event is not None]),
        (sql["remember"], keys),
        (sql["add_delivery"], [row for w in batch for row in w.deliveries]),
        (sql["add_attempt"], [w.attempt for w in batch if w.attempt is not None]),
        (sql["settle"], [w.settle for w in batch if w.settle is not None]),
    )


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
        chosen.append(delivery)
    return chosen, False, None, replayed


def _settled(verdict: Verdict, due_ms: int) -> tuple[DeliveryStatus, int, int]:
    match verdict:
        case Delivered():
            return DeliveryStatus.SUCCESS, due_ms, 0
        case Dead():
            return DeliveryStatus.FAILED, due_ms, 0
        case RetryAt(due_ms=next_ms, counted=counted):
            return DeliveryStatus.RETRYING, next_ms, 0 if counted else 1
