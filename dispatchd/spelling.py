"""Numbers, sizes, spans and times in words: one spelling for commands and alerts. Pure."""

from datetime import UTC, datetime
from typing import Final

_KIB: Final = 1024
# Oldest first; each unit serves until the next one reaches 1.
_AGE_UNITS: Final = ((1, "s"), (60, "m"), (3600, "h"), (86400, "d"))


def size(size_bytes: int) -> str:
    """Spell a size as the config does: `52 B`, `1.5 KiB`, `10.0 MiB`."""
    if size_bytes < _KIB:
        return f"{size_bytes} B"
    value = float(size_bytes)
    for unit in ("KiB", "MiB", "GiB"):
        value /= _KIB
        if value < _KIB:
            return f"{value:.1f} {unit}"
    return f"{value / _KIB:.1f} TiB"


def plural(count: int, noun: str) -> str:
    """Spell a count: `1 event`, `1,200 deliveries`."""
    if count == 1:
        return f"1 {noun}"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{count:,} {noun[:-1]}ies"
    return f"{count:,} {noun}s"


def span(span_ms: int) -> str:
    """Spell a span roughly, in one unit: `12s`, `3m`, `5h`, `40d`."""
    seconds = max(span_ms, 0) // 1000
    chosen = _AGE_UNITS[0]
    for unit in _AGE_UNITS:
        if seconds >= unit[0]:
            chosen = unit
    return f"{seconds // chosen[0]}{chosen[1]}"


def iso(at_ms: int) -> str:
    """Spell a time for scripts: `2026-01-31T12:00:00.123Z`."""
    return _utc(at_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _utc(at_ms: int) -> datetime:
    seconds, ms = divmod(at_ms, 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=ms * 1000)
