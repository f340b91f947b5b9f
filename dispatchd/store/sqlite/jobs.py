"""Jobs on SQLite. Each page goes on behind the last one by a key: none walks what came before."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import orjson

from dispatchd.frozen import frozen
from dispatchd.match import glob_match
from dispatchd.model import DeliveryStatus, Event
from dispatchd.store.jobs import Candidate, Job, JobState, Page, ReplayQuery
from dispatchd.store.sqlite.connection import scalar
from dispatchd.store.sqlite.database import Database
from dispatchd.store.sqlite.rows import event_from_row, from_key, statements, to_key

# Of a page: what is looked at in one go, and replayed in one hold of the write lock, takes
# milliseconds.
PAGE_ROWS: Final = 500
PAGE_MAX_BYTES: Final = 4 * 1024 * 1024  # of bodies that a filter is asked about


class JobKeeping(Database):
    """Keeps jobs, and does what they say."""

    async def draft_job(self, query: ReplayQuery, rate: float | None, now_ms: int) -> Job:
        """Return the job that `add_job` would keep, with id 0."""
        return await self._ask(partial(_draft, query, rate, now_ms))

    async def add_job(self, query: ReplayQuery, rate: float | None, now_ms: int) -> Job:
        """Keep a job for whoever runs them."""
        # Counted by the reader: it may take a while, and nobody else waits for it.
        return await self.keep_job(await self.draft_job(query, rate, now_ms))

    async def keep_job(self, draft: Job) -> Job:
        """Keep a job that `draft_job` returned."""
        query = _query_json(draft.query)
        row = (query, draft.rate, draft.last, draft.total, draft.created_ms)

        def add(writer: sqlite3.Connection) -> Job:
            writer.execute(self._sql["add_job"], row)
            return _found(writer, scalar(writer, "SELECT last_insert_rowid()"))[0]

        return await self._transaction(add)

    async def get_job(self, job_id: int) -> Job | None:
        """Return a job as it stands; None where there is none."""
        found = await self._ask(lambda reader: _found(reader, job_id))
        return found[0] if found else None

    async def open_jobs(self) -> Sequence[Job]:
        """Return the jobs that go on, the oldest first."""
        sql = self._sql["open_jobs"]
        return await self._ask(lambda reader: _jobs(reader.execute(sql).fetchall()))

    async def find_jobs(self, limit: int) -> Sequence[Job]:
        """List jobs, newest first."""
        sql = self._sql["find_jobs"]
        return await self._ask(lambda reader: _jobs(reader.execute(sql, (limit,)).fetchall()))

    async def choose(self, job: Job, limit: int) -> Page:
        """Look at what comes next, until about `limit` candidates are found or a bound is met."""
        return await self._ask(partial(choose, job, limit))

    async def advance(
        self, job: Job, page: Page, chosen: Sequence[Candidate], undecided: int, now_ms: int
    ) -> Job | None:
        """Replay `chosen` of a page and move the job behind it, in one transaction."""
        moves = {
            "id": job.id,
            "state": JobState.DONE if page.ends else JobState.RUNNING,
            "before": job.cursor,
            "cursor": page.cursor,
            "looked": page.looked,
            "undecided": undecided,
            "now_ms": now_ms,
            "ended_ms": now_ms if page.ends else None,
        }
        due_ms = now_ms + self._ahead_ms
        as_sent = int(job.query.as_sent)
        rows: list[tuple[Any, ...]] = [
            (
                due_ms,
                as_sent,
                to_key(one.event_id),
                one.destination,
                one.replays,
                one.status if job.query.statuses else None,
            )
            for one in chosen
        ]

        name = "replay"
        if job.query.to is not None:
            name, rows = "make_delivery", [(due_ms, *row[2:4]) for row in rows]

        def move(writer: sqlite3.Connection) -> Job | None:
            if writer.execute(self._sql["move_job"], moves).rowcount == 0:
                return None
            if rows:
                count = writer.executemany(self._sql[name], rows).rowcount
                writer.execute(self._sql["count_replayed"], (count, job.id))
            return _found(writer, job.id)[0]

        return await self._transaction(move)

    async def end_job(
        self, job_id: int, state: JobState, now_ms: int, error: str | None = None
    ) -> bool:
        """End a job that goes on; False where it had ended, or never was."""
        row = (state, now_ms, error, job_id)
        ended = await self._transaction(
            lambda writer: writer.execute(self._sql["end_job"], row).rowcount
        )
        return ended > 0


@frozen
class _Seen:
    """One thing looked at: an event, or a failed delivery of one.

    `cursor` leads behind it; `deliveries` are (destination, status, replays), None to look up.
    """

    cursor: tuple[Any, ...]
    key: bytes
    event: tuple[Any, ...] | None  # seq, endpoint, event_type, received_ms, bytes of the body
    deliveries: Sequence[tuple[str, str, int]] | None = None


def choose(job: Job, limit: int, reader: sqlite3.Connection) -> Page:
    """Look at the next page of a job."""
    sql, query = statements(), job.query
    candidates: list[Candidate] = []
    keys: list[bytes] = []
    cursor = job.cursor
    looked = taken_bytes = 0
    for seen in _walk(job, reader):
        if looked == PAGE_ROWS or len(candidates) >= limit or taken_bytes >= PAGE_MAX_BYTES:
            ends = False
            break
        looked += 1
        cursor = orjson.dumps(seen.cursor).decode()
        if seen.event is None or not _wants(job, seen.event):
            continue
        deliveries = seen.deliveries
        if deliveries is None:
            deliveries = reader.execute(sql["replayable"], (seen.key,)).fetchall()
        wanted = _wanted(query, seen.event[1], deliveries)
        event_id = from_key(seen.key)
        candidates += [Candidate(event_id, d, DeliveryStatus(s), n) for d, s, n in wanted]
        if wanted and query.asks and seen.key not in keys[-1:]:
            keys.append(seen.key)
            taken_bytes += seen.event[4]
    else:
        ends = True
    events: dict[str, Event] = {}
    for key in keys:
        events[from_key(key)] = event_from_row(reader.execute(sql["event"], (key,)).fetchall()[0])
    return Page(candidates, events, looked, cursor, ends)


def _walk(job: Job, reader: sqlite3.Connection) -> Iterator[_Seen]:
    """Yield what comes next: one more than a page at most, so that its end is known."""
    sql, query = statements(), job.query
    after = None if job.cursor is None else orjson.loads(job.cursor)
    if query.event_ids:
        start = after[0] if after else 0
        for place in range(start, min(len(query.event_ids), start + PAGE_ROWS + 1)):
            key = to_key(query.event_ids[place])
            found = reader.execute(sql["look_at_event"], (key,)).fetchall()
            yield _Seen((place + 1,), key, found[0] if found else None)
    elif _only_failed(query):
        destination, hexed = after or (query.destination or "", "")
        name = "failed_of" if query.destination is not None else "failed"
        next_ones = (destination, bytes.fromhex(hexed), PAGE_ROWS + 1)
        for key, owed_to, replays, *event in reader.execute(sql[name], next_ones).fetchall():
            failed = (owed_to, DeliveryStatus.FAILED.value, replays)
            yield _Seen((owed_to, key.hex()), key, tuple(event), [failed])
    else:
        received_ms, seq = after or ((query.since_ms or 0), -1)
        until_ms = query.until_ms if query.until_ms is not None else 1 << 62
        between = (received_ms, seq, until_ms, PAGE_ROWS + 1)
        for key, *event in reader.execute(sql["events_between"], between).fetchall():
            yield _Seen((event[3], event[0]), key, tuple(event))


def _only_failed(query: ReplayQuery) -> bool:
    """Whether the index of the failed ones is the way."""
    return set(query.statuses) == {DeliveryStatus.FAILED}


def _wants(job: Job, event: tuple[Any, ...]) -> bool:
    seq, endpoint, event_type, received_ms, _ = event
    query = job.query
    return (
        seq <= job.last
        and query.endpoint in (None, endpoint)
        and received_ms >= (query.since_ms or 0)
        and (query.until_ms is None or received_ms < query.until_ms)
        and (
            query.event_type is None
            or (event_type is not None and glob_match(query.event_type, event_type))
        )
    )


def _wanted(
    query: ReplayQuery, endpoint: str, deliveries: Sequence[tuple[str, str, int]]
) -> list[tuple[str, str, int]]:
    """Return which deliveries of an event to start afresh, or the one to make."""
    if query.to is None:
        return [row for row in deliveries if _wants_delivery(query, row)]
    if endpoint not in query.links or any(row[0] == query.to for row in deliveries):
        return []
    return [(query.to, DeliveryStatus.QUEUED.value, 0)]


def _wants_delivery(query: ReplayQuery, row: tuple[str, str, int]) -> bool:
    destination, status, _ = row
    return query.destination in (None, destination) and (
        not query.statuses or status in query.statuses
    )


def _draft(query: ReplayQuery, rate: float | None, now_ms: int, reader: sqlite3.Connection) -> Job:
    sql = statements()
    ids = dict.fromkeys(from_key(to_key(event_id)) for event_id in query.event_ids)
    query = replace(query, event_ids=tuple(ids))
    if query.event_ids:
        total = len(query.event_ids)
    elif _only_failed(query):
        if query.destination is None:
            total = scalar(reader, sql["count_all_failed"])
        else:
            rows = reader.execute(sql["count_failed"], (query.destination,)).fetchall()
            total = rows[0][0]
    else:
        until_ms = query.until_ms if query.until_ms is not None else 1 << 62
        between = (query.since_ms or 0, until_ms)
        total = reader.execute(sql["count_between"], between).fetchall()[0][0]
    last = scalar(reader, "SELECT coalesce(max(seq), 0) FROM events")
    return Job(
        0, JobState.QUEUED, query, rate, total, 0, 0, 0, now_ms, None, None, None, last, None
    )


def _found(connection: sqlite3.Connection, job_id: int) -> list[Job]:
    return _jobs(connection.execute(statements()["job"], (job_id,)).fetchall())


def _jobs(rows: list[Any]) -> list[Job]:
    return [
        Job(
            id=row[0],
            state=JobState(row[1]),
            query=_query(row[2]),
            rate=row[3],
            total=row[4],
            looked=row[5],
            replayed=row[6],
            undecided=row[7],
            created_ms=row[8],
            started_ms=row[9],
            ended_ms=row[10],
            error=row[11],
            last=row[12],
            cursor=row[13],
        )
        for row in rows
    ]


def _query_json(query: ReplayQuery) -> str:
    return orjson.dumps(query).decode()


def _query(text: str) -> ReplayQuery:
    fields = orjson.loads(text)
    fields["event_ids"] = tuple(fields["event_ids"])
    fields["statuses"] = tuple(map(DeliveryStatus, fields["statuses"]))
    return ReplayQuery(**fields)
