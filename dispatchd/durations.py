"""How long, as people write it: `500ms 30s 5m 2h 7d`, in the config and on the command line."""

import re
from typing import Any, Final

_DURATION: Final = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)", re.ASCII)
_DURATION_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
DURATION_MAX_MS: Final = 3650 * 86_400_000  # what is meant as "never" must still be added to a time
DURATION_PATTERN: Final = r"^\d+(\.\d+)?(ms|s|m|h|d)$"


def duration_ms(value: Any, *, most_ms: int = DURATION_MAX_MS) -> int:
    """Read `500ms 30s 5m 2h 7d` as milliseconds. Raises ValueError that says what to write."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise ValueError(f'a duration needs a unit; write "{value:g}s" for seconds')  # noqa: TRY004 - pydantic's contract
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("is not a duration; write 500ms, 30s, 5m, 2h or 7d")
    span_ms = round(float(match[1]) * _DURATION_MS[match[2]])
    if span_ms > most_ms:
        raise ValueError("is longer than ten years; the longest is 3650d")
    return span_ms
