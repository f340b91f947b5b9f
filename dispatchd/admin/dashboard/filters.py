"""Numbers, spans and times as pages spell them. Pure."""

from datetime import datetime
from typing import Final

from dispatchd.spelling import size, span

NONE: Final = "\u2013"  # a dash for what there is none of
_SECOND_MS: Final = 1000
_MINUTE_MS: Final = 60_000
_TENTHS_MAX: Final = 10
_TENTHS_MIN: Final = 0.05


def number(value: float) -> str:
    """Spell a count: `12,345`."""
    return f"{value:,.0f}"


def rate(per_s: float) -> str:
    """Spell how many a second: `0`, `0.4`, `12`, `1,250`."""
    if per_s < _TENTHS_MIN:
        return "0" if per_s <= 0 else "<0.1"
    return f"{per_s:.1f}" if per_s < _TENTHS_MAX else f"{per_s:,.0f}"


def took(ms: float | None) -> str:
    """Spell how long something took: `0.4 ms`, `38 ms`, `1.2 s`, `3m`."""
    if ms is None:
        return NONE
    if ms < _SECOND_MS:
        return f"{ms:.1f} ms" if ms < _TENTHS_MAX else f"{ms:.0f} ms"
    return f"{ms / _SECOND_MS:.1f} s" if ms < _MINUTE_MS else span(int(ms))


def at_ms(iso: str) -> int:
    """Return Unix ms of a time as the shapes spell it."""
    return round(datetime.fromisoformat(iso).timestamp() * 1000)


def ago(iso: str, now_ms: int) -> str:
    """Spell a time roughly, seen from now: `now`, `12s ago`, `in 5m`."""
    past_ms = now_ms - at_ms(iso)
    if abs(past_ms) < _SECOND_MS:
        return "now"
    return f"{span(past_ms)} ago" if past_ms > 0 else f"in {span(-past_ms)}"


def exact(iso: str) -> str:
    """Spell a time for people, all of it: `2026-01-31 12:00:00.123 UTC`."""
    return iso.replace("T", " ").replace("Z", " UTC")


def share(part: float, whole: float) -> str:
    """Spell a part of a whole: `0 %`, `0.2 %`, `37 %`."""
    if not whole or not part:
        return "0 %"
    percent = 100 * part / whole
    return f"{percent:.1f} %" if percent < _TENTHS_MAX else f"{percent:.0f} %"


FILTERS: Final = {
    "number": number,
    "rate": rate,
    "took": took,
    "size": size,
    "exact": exact,
}
