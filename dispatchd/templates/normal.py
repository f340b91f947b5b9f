"""A template's `default`: a message in normal form, as it is written and as it was rendered. Pure.

All of it is words: each destination's courier escapes the whole for its platform.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from dispatchd.message import Field, Kind, Message
from dispatchd.templates.tree import Path

NORMAL: Final = "default"
TEXT_KEYS: Final = ("title", "description", "url", "kind", "colour", "footer")
KEYS: Final = (*TEXT_KEYS, "fields")
FIELD_KEYS: Final = ("name", "value")
_COLOUR: Final = re.compile(r"#([0-9A-Fa-f]{6})", re.ASCII)
_SHAPE: Final = f"must be a mapping of {', '.join(KEYS)}"


def variant_for(variants: Mapping[str, Any], kind: str) -> str:
    """Return which of a template's variants speaks to a type: its own, else the normal form."""
    return kind if kind in variants else NORMAL


def message_of(tree: Mapping[str, Any]) -> Message:
    """Return the message that a rendered `default` is.

    Fields without a value are left out, and so is a kind or a colour that is none.
    """
    texts = {key: str(tree.get(key, "")).strip() for key in TEXT_KEYS}
    colour = _COLOUR.fullmatch(texts["colour"])
    kind = texts["kind"].lower()
    fields = [
        Field(field["name"].strip(), value)
        for field in tree.get("fields", ())
        if (value := field["value"].strip())
    ]
    return Message(
        title=texts["title"],
        description=texts["description"],
        url=texts["url"] or None,
        fields=tuple(fields),
        kind=Kind(kind) if kind in list(Kind) else Kind.INFO,
        footer=texts["footer"],
        colour=int(colour[1], 16) if colour else None,
    )


def says_nothing(message: Message) -> bool:
    """Whether there is nothing in a message that a person could read."""
    return not (message.title or message.description or message.fields)


def normal_problems(tree: Any) -> Iterator[tuple[Path, str, tuple[str, ...]]]:
    """Yield what keeps a `default` from being a message: where, why, and the keys it may have."""
    if not isinstance(tree, dict):
        yield (), _SHAPE, ()
        return
    for key, value in tree.items():
        if key not in KEYS:
            yield (key,), "unknown key", KEYS
        elif key == "fields":
            yield from _field_problems(value)
        elif not isinstance(value, str):
            yield (key,), "must be text", ()
        elif "{" not in value and (wrong := _word_problem(key, value.strip())) is not None:
            yield (key,), wrong, ()
    if not any(tree.get(key) for key in ("title", "description", "fields")):
        yield (), "says nothing: it has no title, description or fields", ()


def _word_problem(key: str, word: str) -> str | None:
    """Say what is wrong with a word that no template makes; None where nothing is."""
    if key == "kind" and word and word.lower() not in list(Kind):
        *others, last = list(Kind)
        return f"must be {', '.join(others)} or {last}"
    if key == "colour" and word and not _COLOUR.fullmatch(word):
        return 'must be "#rrggbb", in quotes'
    return None


def _field_problems(value: Any) -> Iterator[tuple[Path, str, tuple[str, ...]]]:
    if not isinstance(value, list):
        yield ("fields",), "must be a list of {name, value}", ()
        return
    for index, field in enumerate(value):
        if not isinstance(field, dict):
            yield ("fields", index), "must be {name, value}", ()
            continue
        for key in FIELD_KEYS:
            if key not in field:
                yield ("fields", index, key), "is missing", ()
        for key, given in field.items():
            if key not in FIELD_KEYS:
                yield ("fields", index, key), "unknown key", FIELD_KEYS
            elif not isinstance(given, str):
                yield ("fields", index, key), "must be text", ()
