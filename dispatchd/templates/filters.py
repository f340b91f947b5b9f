"""What templates can do with a value, beside what jinja2 brings and is harmless. Pure."""

import json
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from jinja2 import Undefined
from jinja2.runtime import LoopContext

# Of jinja2's: not those that make markup of their own (urlize, xmlattr), or chance (random).
KEPT_FILTERS: Final = (
    "abs",
    "attr",
    "batch",
    "capitalize",
    "center",
    "count",
    "dictsort",
    "filesizeformat",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "slice",
    "sort",
    "string",
    "striptags",
    "sum",
    "title",
    "trim",
    "truncate",
    "unique",
    "upper",
    "urlencode",
    "wordcount",
    "wordwrap",
)
_MS_FROM: Final = 1e11  # a time of more is in milliseconds: in seconds it would be the year 5138
_ZONE_MAX_MIN: Final = 14 * 60
_LISTS: Final = (Iterator, KeysView, ValuesView, ItemsView, range)


def default(value: Any, other: Any = "", boolean: bool = False) -> Any:
    """Return `other` for what is not there or null; with `boolean` for what is empty, too."""
    absent = isinstance(value, Undefined) or value is None
    return other if absent or (boolean and not value) else value


def date(value: Any, form: str = "%Y-%m-%d %H:%M", offset_min: int = 0) -> str:
    """Spell a time: an ISO text, or Unix seconds or milliseconds. What is none stays as it is.

    In UTC, or minutes off it.
    """
    at = _time(value)
    if at is None:
        return value if isinstance(value, str) else ""
    offset = timedelta(minutes=max(-_ZONE_MAX_MIN, min(_ZONE_MAX_MIN, int(offset_min))))
    return at.astimezone(timezone(offset)).strftime(str(form))


def _time(value: Any) -> datetime | None:
    if isinstance(value, (Undefined, bool)):
        return None
    try:
        if isinstance(value, str) and not value.strip().lstrip("-").replace(".", "", 1).isdigit():
            at = datetime.fromisoformat(value.strip())
            return at if at.tzinfo else at.replace(tzinfo=UTC)
        seconds = float(value)
        if abs(seconds) >= _MS_FROM:
            seconds /= 1000
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def tojson(value: Any, indent: int | None = None) -> str:
    """Spell a value as JSON, and what can be listed as a list; what is neither is empty."""
    try:
        return json.dumps(
            value,
            ensure_ascii=False,
            indent=None if indent is None else int(indent),
            default=_listed,
        )
    except TypeError:  # a method, a macro: nothing that could be meant
        return ""


def _listed(value: Any) -> Any:
    """List what filters such as `reverse` make of a list. Raises TypeError."""
    if isinstance(value, Undefined):
        return None
    if isinstance(value, _LISTS) and not isinstance(value, LoopContext):
        return list(value)
    raise TypeError


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "default": default,
    "d": default,
    "date": date,
    "tojson": tojson,
}
