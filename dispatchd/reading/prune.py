"""Keep of a document what stands at a few paths: all that a large one is ever asked. Pure.

Whoever reads the pruned document by those paths finds what the whole one holds there: a scalar
as it is, of an object or a list that it is one.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

from dispatchd.paths import at_path

EACH: Final = "[]"  # in a path: every element of a list
KEYS: Final = "{}"  # in a path: the names of an object's keys
MANY_MAX: Final = 1000  # of those, kept at most

Paths = Sequence[Sequence[str]]


class Wanted:
    """Paths as a tree: what is wanted below each key."""

    __slots__ = ("below",)

    def __init__(self, paths: Iterable[Sequence[str]] = ()) -> None:
        self.below: dict[str, Wanted] = {}
        for path in paths:
            node = self
            for key in path:
                node = node.below.setdefault(key, Wanted())


def prune(value: Any, wanted: Wanted) -> Any:
    """Return `value` without what is not wanted of it."""
    if isinstance(value, dict):
        return _object(value, wanted)
    if isinstance(value, list):
        return _list(value, wanted)
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON cannot carry it on
    return value


def _object(value: dict[str, Any], wanted: Wanted) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    if KEYS in wanted.below:
        for key in value:
            if len(kept) == MANY_MAX:
                break
            kept[key] = None
    for key, below in wanted.below.items():
        if key in value:
            kept[key] = prune(value[key], below)
    return kept


def _list(value: list[Any], wanted: Wanted) -> Any:
    """Return the distinct elements where each is wanted, else those wanted, by their index."""
    each = wanted.below.get(EACH)
    if each is not None:
        distinct: dict[str, Any] = {}
        for item in value:
            kept = prune(item, each)
            if len(distinct) == MANY_MAX:
                break
            distinct.setdefault(repr(kept), kept)
        return list(distinct.values())
    found = {key: at_path(value, (key,)) for key in wanted.below}
    # By index, an object is read as a list is; where nothing is found it stays a list.
    return {
        key: prune(item, wanted.below[key]) for key, item in found.items() if item is not None
    } or []
