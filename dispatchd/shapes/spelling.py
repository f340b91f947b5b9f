"""How times and bytes are spelled in JSON."""

import base64
from datetime import UTC, datetime


def iso(at_ms: int) -> str:
    """Spell a time for scripts: `2026-01-31T12:00:00.123Z`."""
    seconds, ms = divmod(at_ms, 1000)
    at = datetime.fromtimestamp(seconds, UTC).replace(microsecond=ms * 1000)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_or_none(at_ms: int | None) -> str | None:
    """Spell a time for scripts, where there was one."""
    return None if at_ms is None else iso(at_ms)


def bytes_field(name: str, data: bytes) -> dict[str, str]:
    """Return `data` as a field for JSON: `name` where it is UTF-8, else `name_base64`."""
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(data).decode()}
