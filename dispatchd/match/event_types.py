"""Event types: where they stand, and the globs that choose among them."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from dispatchd.paths import at_path

EVENT_TYPE_HEADERS: Final = ("X-GitHub-Event", "X-Gitlab-Event", "X-Event-Type")
EVENT_TYPE_MAX_CHARS: Final = 255  # what is over that is cut off
EVENT_TYPE_CUT: Final = f"the event type is over {EVENT_TYPE_MAX_CHARS} characters, and was cut"

Matcher = Callable[[str | None], bool]


def event_type(
    headers: Mapping[str, str], document: Any, path: tuple[str, ...], own: str | None = None
) -> str | None:
    """Return the event type: from a known header, else `own`, else from `path` into the document.

    `own` is what the provider's own place says. It may be over EVENT_TYPE_MAX_CHARS: whoever
    keeps it cuts it, and says so.
    """
    for name in EVENT_TYPE_HEADERS:
        value = headers.get(name)
        if value:
            return _type_text(value)
    if own:
        return _type_text(own)
    return _type_text(at_path(document, path)) if path else None


def _type_text(value: Any) -> str | None:
    """Spell a scalar as an event type; None for anything that cannot be one."""
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, (str, int, float)):
        text = str(value)
    else:
        return None
    if not text:
        return None
    try:
        text.encode()  # a lone surrogate is no text: it can be neither stored nor sent
    except UnicodeEncodeError:
        return None
    return text


def compile_event_types(patterns: Iterable[str]) -> Matcher:
    """Compile event type globs (`*` any run, `?` one character) to one predicate.

    No pattern at all lets everything through. An event without a type matches only `*`.
    """
    everything = tuple(patterns)
    if not everything or "*" in everything:
        return lambda _: True
    exact = frozenset(p for p in everything if "*" not in p and "?" not in p)
    globs = tuple(p for p in everything if "*" in p or "?" in p)

    def matches(kind: str | None) -> bool:
        if kind is None:
            return False
        return kind in exact or any(glob_match(glob, kind) for glob in globs)

    return matches


def matches_any(globs: Sequence[str], text: str) -> bool:
    """Whether one of `globs` matches `text`."""
    return any(glob_match(glob, text) for glob in globs)


def globs_meet(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether an event type may match a glob of each list; an empty list matches all."""
    if not one or not other:
        return True
    return any(_meet(first, second) for first in one for second in other)


def _meet(one: str, other: str) -> bool:
    """Whether some text matches both globs, by what may be left of `other` after each start."""
    reached = _past_stars({0}, other)
    for char in one:
        if not reached:
            return False
        if char == "*":  # it takes any of what `other` may still stand for
            reached = set(range(min(reached), len(other) + 1))
            continue
        reached = _past_stars(
            {
                place if other[place] == "*" else place + 1
                for place in reached
                if place < len(other) and (other[place] in ("*", "?", char) or char == "?")
            },
            other,
        )
    return len(other) in reached


def _past_stars(places: set[int], glob: str) -> set[int]:
    """Add the places behind stars, which may stand for nothing."""
    found = set(places)
    for place in sorted(places):
        at = place
        while at < len(glob) and glob[at] == "*":
            at += 1
            found.add(at)
    return found


def glob_match(pattern: str, text: str) -> bool:
    """Match `text` against a glob, what stands between its stars one after the other.

    Each is looked for once, from where the one before ended: no text chosen by a sender can
    make a many-starred pattern expensive, as one regular expression for it all would be.
    """
    first, *rest = _pieces(pattern)
    match = first.match(text)
    if match is None:
        return False
    if not rest:
        return match.end() == len(text)
    at = match.end()
    for piece in rest[:-1]:
        match = piece.search(text, at)
        if match is None:
            return False
        at = match.end()
    last = rest[-1]
    start = len(text) - len(pattern.rpartition("*")[2])
    return start >= at and last.match(text, start) is not None


@lru_cache(maxsize=1024)
def _pieces(pattern: str) -> tuple[re.Pattern[str], ...]:
    return tuple(
        re.compile(".".join(map(re.escape, piece.split("?"))), re.DOTALL)
        for piece in pattern.split("*")
    )
