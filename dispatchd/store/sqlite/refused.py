"""Refused requests on SQLite: a bounded table, written in small batches."""

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, Final

from dispatchd.store.refused import Answered, RefusedQuery, RefusedRequest
from dispatchd.store.sqlite.connection import run_steps
from dispatchd.store.sqlite.counting import spread
from dispatchd.store.sqlite.database import Database
from dispatchd.store.sqlite.rows import headers_from_json, headers_to_json
from dispatchd.strangers import utf8

_COLUMNS: Final = (
    "id, endpoint, slug, at_ms, method, status, reason, message, source_ip, headers, body_bytes,"
    " body"
)


class RefusedKeeping(Database):
    """Keeps refused requests, and finds them."""

    async def keep_refused(
        self,
        requests: Collection[RefusedRequest],
        keep: Mapping[tuple[str | None, str], int],
        answered: Mapping[Answered, int],
    ) -> None:
        """Keep requests, and count answers, in one transaction."""
        counted = {(a.minute, a.endpoint or "", a.result): n for a, n in answered.items()}
        steps = [
            (self._sql["add_refused"], [_to_row(request) for request in requests]),
            (
                self._sql["trim_refused"],
                [(endpoint or "", reason, most) for (endpoint, reason), most in keep.items()],
            ),
            (self._sql["count_endpoint"], spread(counted)),
        ]
        await self._transaction(partial(run_steps, steps))

    async def find_refused(self, query: RefusedQuery) -> Sequence[RefusedRequest]:
        """List refused requests, newest first."""
        return await self._ask(partial(find_refused, query))

    async def get_refused(self, number: int) -> RefusedRequest | None:
        """Return one; None where there is none, or none any more."""
        found = await self._ask(partial(find_refused, RefusedQuery(before=number + 1, limit=1)))
        return next((one for one in found if one.id == number), None)


def find_refused(query: RefusedQuery, reader: sqlite3.Connection) -> list[RefusedRequest]:
    """List refused requests, newest first: the table is bounded, so that it may be scanned."""
    conditions = {
        "endpoint = ?": query.endpoint,
        "reason = ?": query.reason,
        "at_ms >= ?": query.since_ms,
        "at_ms < ?": query.until_ms,
        "id < ?": query.before,
    }
    given = {text: value for text, value in conditions.items() if value is not None}
    where = f"WHERE {' AND '.join(given)}" if given else ""
    rows = reader.execute(
        f"SELECT {_COLUMNS} FROM refused {where} ORDER BY id DESC LIMIT ?",  # noqa: S608 - fixed
        (*given.values(), query.limit),
    )
    found: list[RefusedRequest] = []
    left_bytes = query.bodies_max_bytes
    for row in rows:
        found.append(_from_row(row))
        if left_bytes is not None:
            left_bytes -= len(row[11] or b"")
            if left_bytes < 0:
                break
    rows.close()
    return found


def _to_row(request: RefusedRequest) -> tuple[Any, ...]:
    return (
        request.endpoint or "",
        utf8(request.slug),
        request.at_ms,
        request.method,
        request.status,
        request.reason,
        utf8(request.message),
        request.source_ip,
        headers_to_json(request.headers),
        request.body_bytes,
        request.body,
    )


def _from_row(row: Any) -> RefusedRequest:
    return RefusedRequest(
        endpoint=row[1] or None,
        slug=row[2],
        at_ms=row[3],
        method=row[4],
        status=row[5],
        reason=row[6],
        message=row[7],
        source_ip=row[8],
        headers=headers_from_json(row[9]),
        body_bytes=row[10],
        body=row[11],
        id=row[0],
    )
