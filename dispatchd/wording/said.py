"""What a document says at a place, as text that fits into a message. Nothing here raises."""

import math
from typing import Any, Final

from dispatchd.message import Field, Kind
from dispatchd.paths import at_path

TEXT_MAX_CHARS: Final = 300
DESCRIPTION_MAX_CHARS: Final = 600
ITEMS_MAX: Final = 10
DIGITS_MAX: Final = 40
_KINDS: Final = {
    Kind.FAILURE: (
        "action_required alert alerting canceled cancelled critical crit dead declined denied"
        " disputed down emergency err error errored expired fail failed failing failure fatal"
        " firing high killed lost open_failed outage refused rejected timed_out timeout unhealthy"
        " unpaid"
    ),
    Kind.WARNING: (
        "degraded expiring major medium nodata no_data pending_failure stale warn warning"
        " requires_action past_due"
    ),
    Kind.SUCCESS: (
        "accepted active approved available complete completed delivered fixed healthy merged ok"
        " normal online paid passed pass published recovered resolved succeeded success successful"
        " up"
    ),
}
_KIND_OF: Final = {word: kind for kind, words in _KINDS.items() for word in words.split()}


def text(document: Any, *path: str, most: int = TEXT_MAX_CHARS) -> str:
    """Return the text, number or truth at `path`; empty where there is none."""
    return spoken(at_path(document, path), most)


def spoken(value: Any, most: int = TEXT_MAX_CHARS) -> str:
    """Spell a scalar; empty for anything else."""
    if isinstance(value, str):
        return value[:most].strip()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.12g}" if math.isfinite(value) else ""
    if isinstance(value, int):
        # str() refuses an integer of thousands of digits.
        return str(value) if abs(value) < 10**DIGITS_MAX else "a huge number"
    return ""


def first(document: Any, *paths: str, most: int = TEXT_MAX_CHARS) -> str:
    """Return what stands at the first of the dot paths where something does."""
    for path in paths:
        if found := text(document, *path.split("."), most=most):
            return found
    return ""


def items(document: Any, *path: str) -> list[Any]:
    """Return the list at `path`; an empty one where there is none."""
    found = at_path(document, path)
    return found if isinstance(found, list) else []


def members(document: Any, *path: str) -> dict[str, Any]:
    """Return the object at `path`; an empty one where there is none."""
    found = at_path(document, path)
    return found if isinstance(found, dict) else {}


def fields(*pairs: tuple[str, str]) -> tuple[Field, ...]:
    """Return the facts that there are."""
    return tuple(Field(name, value) for name, value in pairs if value)


def kind_of(word: str, otherwise: Kind = Kind.INFO) -> Kind:
    """Return what a status or a level means."""
    return _KIND_OF.get(word.lower().replace(" ", "_").replace("-", "_"), otherwise)


def capitalised(words: str) -> str:
    """Return words with the first letter large, the others as they are."""
    return words[:1].upper() + words[1:]


def plain_words(name: str) -> str:
    """Return `pull_request` as `pull request`."""
    return name.replace("_", " ").strip()


def joined(*parts: str, by: str = " ") -> str:
    """Join the parts that there are."""
    return by.join(part for part in parts if part)


def count(number: int, one: str) -> str:
    """Return `1 commit`, `3 commits`."""
    return f"{number} {one}{'' if number == 1 else 's'}"
