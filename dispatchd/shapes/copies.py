"""What a backup or a restore came to."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

from dispatchd.shapes.spelling import iso_or_none

if TYPE_CHECKING:
    from dispatchd.store.copies import Contents, Restored


class ContentsFields(TypedDict):
    """What a copy holds; `owed` are deliveries that have not ended."""

    bytes: int
    schema: int
    events: int
    deliveries: int
    owed: int
    last_received: str | None


class BackupFields(ContentsFields):
    """A backup that was made, and the older ones that were deleted for it."""

    file: str
    took_ms: int
    deleted: list[str]


class RestoreFields(ContentsFields):
    """A backup that was put in place, and where what was there is kept.

    `kept` is null where nothing was there; `kept_alone` counts the events that only that file
    has, null where they could not be counted.
    """

    database: str
    file: str
    known_schema: int
    kept: str | None
    kept_alone: int | None


def backup_fields(
    file: str, contents: "Contents", took_ms: int, deleted: Sequence[str]
) -> BackupFields:
    """Spell what was made."""
    return {"file": file, **_contents(contents), "took_ms": took_ms, "deleted": list(deleted)}


def restore_fields(database: str, file: str, restored: "Restored") -> RestoreFields:
    """Spell what was restored."""
    return {
        "database": database,
        "file": file,
        **_contents(restored.contents),
        "known_schema": restored.contents.known_schema,
        "kept": restored.kept,
        "kept_alone": restored.kept_alone,
    }


def _contents(contents: "Contents") -> ContentsFields:
    return {
        "bytes": contents.size_bytes,
        "schema": contents.schema,
        "events": contents.events,
        "deliveries": contents.deliveries,
        "owed": contents.owed,
        "last_received": iso_or_none(contents.newest_ms),
    }
