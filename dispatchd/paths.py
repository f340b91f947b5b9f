"""Dot paths: how a config names a place in a document. Pure."""

from collections.abc import Sequence
from typing import Any, Final

INDEX_DIGITS_MAX: Final = 9


def split_path(path: str | None) -> tuple[str, ...]:
    """Split a dot path (`event.type`, `items.0.kind`) into its keys."""
    return tuple(path.split(".")) if path else ()


def at_path(document: Any, path: Sequence[str], *, index_digits_max: int = INDEX_DIGITS_MAX) -> Any:
    """Follow `path` through objects (by key) and lists (by index); None where it leads nowhere."""
    value = document
    for key in path:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and _is_index(key, index_digits_max):
            index = int(key)
            value = value[index] if index < len(value) else None
        else:
            return None
    return value


def _is_index(key: str, digits_max: int) -> bool:
    return key.isascii() and key.isdigit() and len(key) <= digits_max
