"""Event types: where they stand, and the globs that choose among them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from dispatchd.paths import at_path

EVENT_TYPE_HEADERS: Final = ("X-GitHub-Event", "X-Gitlab-Event", "X-Event-Type")
EVENT_TYPE_MAX_CHARS: Final = 255  # longer is a payload, not a type

Matcher = Callable[[str | None], bool]


def event_type(
    headers: Mapping[str, str], document: Any, path: tuple[str, ...], own: str | None = None
) -> str | None:
    """Return the event type: from a known header, else `own`, else from `path` into the document.

    `own` is what the provider's own place says.
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
    if not text or len(text) > EVENT_TYPE_MAX_CHARS:
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


def glob_match(pattern: str, text: str) -> bool:
    """Match `text` against a glob in O(len(pattern) * len(text)).

    Greedy with one backtrack point (the last `*`), so that no event type chosen by a sender
    can make a many-starred pattern expensive, as a regular expression would be.
    """
    p = t = 0
    star, mark = -1, 0
    while t < len(text):
        if p < len(pattern) and pattern[p] == "*":
            star, mark = p, t
            p += 1
        elif p < len(pattern) and pattern[p] in ("?", text[t]):
            p += 1
            t += 1
        elif star >= 0:
            mark += 1
            p, t = star + 1, mark
        else:
            return False
    return all(c == "*" for c in pattern[p:])
