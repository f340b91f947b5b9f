"""Rows to nouns and back, and the named statements of queries.sql."""

import re
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import orjson

from dispatchd.model import (
    Attempt,
    Delivery,
    DeliveryStatus,
    ErrorClass,
    Event,
    EventStatus,
)
from dispatchd.strangers import utf8


@cache
def statements() -> dict[str, str]:
    """Return the statements of queries.sql by their `-- name:`."""
    text = _script("queries.sql")
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]
    return {
        name: re.split(r";\s*(?:\n|$)", body, maxsplit=1)[0]
        for name, body in zip(parts[::2], parts[1::2], strict=True)
    }


def schema(version: int) -> str:
    """Return the script that brings the schema from `version - 1` to `version`."""
    return _script(f"schema_{version}.sql")


def _script(name: str) -> str:
    # Not by importlib.resources, which imports what reads zip files first.
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def to_key(uuid: str) -> bytes:
    """Turn a canonical UUID string to the 16 bytes it is kept as."""
    return bytes.fromhex(uuid.replace("-", ""))


_endpoint_key = lru_cache(maxsize=256)(to_key)  # each comes with many events


def from_key(key: bytes) -> str:
    """Turn 16 bytes to a canonical UUID string."""
    h = key.hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def event_to_row(event: Event, key: bytes) -> tuple[Any, ...]:
    """Spell an event as `add_event` takes it."""
    return (
        key,
        event.endpoint,
        _endpoint_key(event.endpoint_id),
        event.received_ms,
        event.event_type,
        event.source_ip,
        str(event.status),  # SQLite's module asks around what another type is
        event.filtered_by,
        event.content_type,
        headers_to_json(event.headers),
        event.body,
        event.auth,
        headers_to_json(event.forward_headers) if event.forward_headers else None,
    )


def event_columns(body: str = "e.body") -> str:
    """Return what `event_from_row` reads of `events e`, but for what proved the sender."""
    return (
        "e.id, e.endpoint, e.endpoint_id, e.received_ms, e.event_type, e.source_ip, e.status,"
        f" e.filtered_by, e.content_type, e.headers, {body}, e.auth, NULL"
    )


def event_from_row(row: Any) -> Event:
    """Read an event as the statement `event` gives it."""
    return Event(
        id=from_key(row[0]),
        endpoint=row[1],
        endpoint_id=from_key(row[2]),
        received_ms=row[3],
        event_type=row[4],
        source_ip=row[5],
        status=EventStatus(row[6]),
        filtered_by=row[7],
        content_type=row[8],
        headers=headers_from_json(row[9]),
        body=row[10],
        auth=row[11],
        forward_headers=headers_from_json(row[12]) if row[12] else (),
    )


def delivery_from_row(row: Any, ahead_ms: int) -> Delivery:
    """Read a delivery as the statements `claim` and `story_deliveries` give it.

    `ahead_ms` is how far the schedule is ahead of the wall clock. The rule comes last.
    """
    key, destination, status, attempts, before, replays, due_ms = row[:7]
    return Delivery(
        from_key(key),
        destination,
        DeliveryStatus(status),
        attempts,
        before,
        replays,
        due_ms - ahead_ms,
        rule=row[-1],
    )


def attempt_to_row(attempt: Attempt, key: bytes) -> tuple[Any, ...]:
    """Spell an attempt as `add_attempt` takes it."""
    return (
        key,
        attempt.destination,
        attempt.number,
        attempt.started_ms,
        attempt.latency_ms,
        attempt.status_code,
        None if attempt.error is None else str(attempt.error),
        None if attempt.message is None else utf8(attempt.message),
        headers_to_json(attempt.response_headers),
        attempt.response_head,
        attempt.transform,
        attempt.template,
    )


def attempt_from_row(row: Any) -> Attempt:
    """Read an attempt as the statement `story_attempts` gives it."""
    return Attempt(
        event_id=from_key(row[0]),
        destination=row[1],
        number=row[2],
        started_ms=row[3],
        latency_ms=row[4],
        status_code=row[5],
        error=None if row[6] is None else ErrorClass(row[6]),
        message=row[7],
        response_headers=headers_from_json(row[8]),
        response_head=row[9],
        transform=row[10],
        template=row[11],
    )


def headers_to_json(headers: tuple[tuple[str, str], ...]) -> str:
    """Spell headers as JSON. Bytes that were no UTF-8 (lone surrogates here) become `?`."""
    try:
        return orjson.dumps(headers).decode()
    except TypeError:
        return orjson.dumps([(utf8(name), utf8(value)) for name, value in headers]).decode()


def headers_from_json(text: str) -> tuple[tuple[str, str], ...]:
    """Read headers back."""
    return tuple((name, value) for name, value in orjson.loads(text))
