"""The store on SQLite: WAL, `synchronous=FULL`, one writer, a reader of its own.

Writes go through group commit on the writer's connection; reads never wait for them.
"""

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import (
    AsyncIterator,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

import aiosqlite

from dispatchd.errors import AlreadyRunning, StoreUnavailable, StoreUnusable
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
from dispatchd.store import sqlite_reads
from dispatchd.store.base import (
    Claimed,
    Duplicate,
    EventQuery,
    EventStory,
    EventSummary,
    Idempotency,
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
    TRANSACTION,
    Step,
    Steps,
    connect,
    faults,
    migrate,
    scalar,
)

IDS_PER_QUERY: Final = 64
BATCH_ROWS: Final = 500  # of replay and prune: keeps each hold of the write lock to milliseconds


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
        self._lock_file: IO[str] | None = None

    # Life

    async def open(self) -> None:
        """Connect and migrate. Raises StoreUnusable where that cannot work."""
        directory = Path(self._path).resolve().parent  # noqa: ASYNC240 - once, before serving
        if not directory.is_dir():
            raise StoreUnusable(f"cannot open {self._path}: {directory} is not a directory")
        try:
            self._writer = await connect(self._path, self._busy_timeout_ms)
            await migrate(self._writer, self._path)
            self._reader = await connect(self._path, self._busy_timeout_ms)
            await self._reader.execute("PRAGMA query_only = ON")
        except sqlite3.Error as error:
            await self.close()
            raise StoreUnusable(f"cannot open {self._path}: {error}") from error
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Finish the writes under way and let go of the database."""
        await self._group.close()
        connections = (self._reader, self._writer)
        self._reader = self._writer = None  # first: who comes meanwhile is told `closed`
        for connection in connections:
            if connection is not None:
                await connection.close()
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None

    def lock(self) -> None:
        """Become the one daemon on this database. Raises AlreadyRunning."""
        path = f"{self._path}.lock"
        try:
            lock_file = Path(path).open("a+", encoding="ascii")  # noqa: SIM115 - held until close()
        except OSError as error:
            raise StoreUnusable(f"cannot create {path}: {error.strerror}") from error
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock_file.seek(0)
            holder = lock_file.read(32).strip() or "unknown"
            lock_file.close()
            raise AlreadyRunning(
                f"another dispatchd (pid {holder}) already serves {self._path}"
            ) from error
        lock_file.truncate(0)
        lock_file.write(f"{os.getpid()}\n")
        lock_file.flush()
        self._lock_file = lock_file

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
            deliveries=tuple((key, destination, due_ms) for destination in destinations),
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
                "due_ms": due_ms,
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
                await self._transaction(lambda connection: self._fresh_steps(connection, batch))
            else:
                await self._transaction(_steps(self._sql, batch))
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
        reader = self._open_reader()
        with self._claims.look(destination) as look, faults():
            asked = limit + len(look.held)
            rows = list(
                await reader.execute_fetchall(self._sql["claim"], (destination, now_ms, asked))
            )
            chosen, cut, next_bytes = _choose(rows, limit, max_bytes, look.held)
            events = await self._events(reader, [delivery.event_id for delivery in chosen])
            next_rows = await reader.execute_fetchall(self._sql["next_due"], (destination, now_ms))
            taken = [
                (delivery, events[delivery.event_id])
                for delivery in chosen
                if look.take(delivery.event_id)
            ]
        return Claimed(
            taken,
            cut or len(rows) == asked or len(taken) < len(chosen),
            next((row[0] for row in next_rows), None),
            next_bytes,
        )

    async def version(self) -> int:
        """Return a number that moves when another process has changed something."""
        if self._writer is None:
            raise StoreUnavailable("closed", "the store is closed")
        # On the writer: what this process writes does not move it.
        # https://www.sqlite.org/pragma.html#pragma_data_version
        with faults():
            return int(await scalar(self._writer, "PRAGMA data_version"))

    async def _events(self, reader: aiosqlite.Connection, ids: Sequence[str]) -> dict[str, Event]:
        found: dict[str, Event] = {}
        for start in range(0, len(ids), IDS_PER_QUERY):
            chunk = ids[start : start + IDS_PER_QUERY]
            sql = self._sql["event"].replace("= ?", f"IN ({','.join('?' * len(chunk))})")
            for row in await reader.execute_fetchall(sql, [to_key(i) for i in chunk]):
                event = event_from_row(row)
                found[event.id] = event
        return found

    # Lanes and time

    async def open_lanes(self, destinations: Collection[str]) -> Sequence[str]:
        """Declare which destinations exist; return those that owe deliveries but are gone."""
        reader = self._open_reader()
        with faults():
            known = await reader.execute_fetchall("SELECT destination FROM lanes")
            gone = [row[0] for row in known if row[0] not in destinations]
            await self._transaction(
                [
                    (self._sql["open_lane"], [(name,) for name in destinations]),
                    (self._sql["hold_lane"], [("not in the config", name) for name in gone]),
                ]
            )
            return [
                name
                for name in gone
                if list(await reader.execute_fetchall(self._sql["owes"], (name,)))
            ]

    async def shift_due(self, now_ms: int, by_ms: int) -> int:
        """Bring deliveries due after `now_ms` forward by `by_ms`: the clock was set back."""
        with faults():
            lanes = await self._open_reader().execute_fetchall("SELECT destination FROM lanes")
        rows = [{"now_ms": now_ms, "by_ms": by_ms, "destination": row[0]} for row in lanes]
        return await self._transaction([(self._sql["shift_due"], rows)])

    # Looking things up

    async def find_events(self, query: EventQuery) -> Sequence[EventSummary]:
        """List events, newest first."""
        with faults():
            return await sqlite_reads.find_events(self._open_reader(), query)

    async def get_event(self, event_id: str) -> EventStory | None:
        """Return one event and everything that happened to it; None where there is none."""
        with faults():
            return await sqlite_reads.get_event(self._open_reader(), event_id)

    async def stats(self, since_ms: int) -> Stats:
        """Count events and deliveries."""
        with faults():
            return await sqlite_reads.stats(self._open_reader(), since_ms)

    # Maintenance

    async def replay(self, query: ReplayQuery, now_ms: int) -> AsyncIterator[int]:
        """Start deliveries afresh, in batches of one transaction each; yield each one's count."""
        batches = sqlite_reads.replayable(self._open_reader(), query, BATCH_ROWS)
        while True:
            with faults():
                keys = await anext(batches, None)
            if keys is None:
                return
            rows = [(now_ms, event_key, destination) for event_key, destination in keys]
            yield await self._transaction([(self._sql["replay"], rows)])

    async def prune(self, before_ms: int) -> AsyncIterator[int]:
        """Delete the events received before `before_ms` that owe nothing any more."""
        after = (-1, -1)
        found: list[tuple[Any, ...]] = []

        def steps(connection: sqlite3.Connection) -> Sequence[Step]:
            # Looked up in the transaction that deletes: a replay in between makes an event owed.
            found[:] = connection.execute(
                self._sql["prunable"], (*after, before_ms, BATCH_ROWS)
            ).fetchall()
            keys = [(event_key,) for _, _, event_key, owed in found if not owed]
            return [
                (self._sql["prune_attempts"], keys),
                (self._sql["prune_deliveries"], keys),
                (self._sql["prune_event"], keys),
                (self._sql["forget"], [(before_ms,)] if found else []),
            ]

        while True:
            await self._transaction(steps)
            if not found:
                return
            after = found[-1][:2]
            yield sum(not row[3] for row in found)

    async def backup(self, path: str) -> None:
        """Write a consistent copy of the database to `path` while it is in use."""
        self._open_reader()
        with faults():
            # Not on the reader: it is query_only, and would keep every other read waiting.
            async with aiosqlite.connect(self._path, isolation_level=None) as connection:
                await connection.execute("VACUUM INTO ?", (path,))

    async def ping(self) -> None:
        """Prove that the store answers reads and can write."""
        with faults():
            await scalar(self._open_reader(), "SELECT count(*) FROM lanes")
        await self._transaction([(self._sql["probe"], [()])])

    # Plumbing

    async def _transaction(self, steps: Steps) -> int:
        """Run statements, each over its rows, in one transaction; return rows changed by the last.

        `steps` may be a function that finds them out inside the transaction, on its thread.
        Raises StoreUnavailable or WriteRejected with nothing changed.
        """
        async with self._write_lock:
            if self._writer is None:
                raise StoreUnavailable("closed", "the store is closed")
            with faults():
                cursor = await self._writer.executemany(TRANSACTION, cast("Any", steps))
        return cursor.rowcount

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
    rows: Iterable[Any], limit: int, max_bytes: int, held: Collection[str]
) -> tuple[list[Delivery], bool, int | None]:
    """Pick from `claim` rows what fits both bounds; say whether, and what, a bound cut off."""
    chosen: list[Delivery] = []
    chosen_bytes = 0
    for row in rows:
        delivery = delivery_from_row(row)
        if delivery.event_id in held:
            continue
        if len(chosen) == limit:
            return chosen, True, None
        chosen_bytes += row[7]
        if chosen_bytes > max_bytes:
            return chosen, True, row[7]
        chosen.append(delivery)
    return chosen, False, None


def _settled(verdict: Verdict, due_ms: int) -> tuple[DeliveryStatus, int, int]:
    match verdict:
        case Delivered():
            return DeliveryStatus.SUCCESS, due_ms, 0
        case Dead():
            return DeliveryStatus.FAILED, due_ms, 0
        case RetryAt(due_ms=next_ms, counted=counted):
            return DeliveryStatus.RETRYING, next_ms, 0 if counted else 1
