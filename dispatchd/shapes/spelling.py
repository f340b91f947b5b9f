"""How times and bytes are spelled in JSON."""

import base64

from dispatchd.spelling import iso as iso  # noqa: PLC0414 - shapes find it here


def iso_or_none(at_ms: int | None) -> str | None:
    """Spell a time for scripts, where there was one."""
    return None if at_ms is None else iso(at_ms)


def bytes_field(name: str, data: bytes) -> dict[str, str]:
    """Return `data` as a field for JSON: `name` where it is UTF-8, else `name_base64`."""
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(data).decode()}
