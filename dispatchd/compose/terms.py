"""What a template says in a type's own terms, laid into the request that its courier composes.

The courier composes a message as ever; its words go, and the tree comes in their place. What is
not said in the tree stays as the courier has it: whom a message may notify, that links get no
preview. Whom it goes to is never the tree's to say. Pure.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from html import unescape
from typing import Any, Final

import orjson

from dispatchd.frozen import frozen
from dispatchd.message import Terms
from dispatchd.model import Carried, Command, Mail, Request

_TAG: Final = re.compile(r"<[^>]*>")


@frozen
class Place:
    """A type's document: keys that hold its `words`, of which one must be there, and an address.

    `most` are the characters that a platform takes of a text, by the key it stands under, as far
    as that is documented: see the modules of the types.
    """

    words: tuple[str, ...]
    address: tuple[str, ...] = ()
    most: Mapping[str, int] = field(default_factory=dict)


PLACES: Final[Mapping[str, Place]] = {
    "discord": Place(
        ("content", "embeds", "components"),
        most={"content": 2000, "title": 256, "description": 4096, "name": 256, "value": 1024},
    ),
    "slack": Place(("text", "blocks", "attachments"), ("channel", "thread_ts"), {"text": 3000}),
    "telegram": Place(
        ("text", "html"), ("chat_id", "message_thread_id"), {"text": 4096, "html": 4096}
    ),
    "googlechat": Place(("text", "cardsV2", "fallbackText"), ("thread",), {"text": 4096}),
    "msteams": Place(("body", "actions", "fallbackText")),
    "mattermost": Place(("text", "attachments"), ("channel",), {"text": 16_383}),
    "matrix": Place(("body", "format", "formatted_body", "html")),
    "ntfy": Place(("message", "title", "click", "tags", "priority"), ("topic",)),
    "gotify": Place(("message", "title", "extras")),
    "email": Place(("text", "html"), ("from", "to")),
    "apprise": Place(("body", "title"), ("urls",)),
    "pushover": Place(
        ("message", "title", "url", "url_title"),
        ("token", "user", "device"),
        {"message": 1024, "title": 250, "url": 512, "url_title": 100},
    ),
}
# Where one of these stands at the top, it is text; but for a card, whose body is a list.
_TEXTS: Final = ("content", "text", "html", "message", "title", "body", "formatted_body", "subject")
# What says in which markup a text is: that which it is escaped for, as it stands in the config.
_MARKUPS: Final[Mapping[str, tuple[str, tuple[Any, ...], str]]] = {
    "telegram": ("parse_mode", ("HTML",), "HTML"),
    "ntfy": ("markdown", (True, False), "true or false"),
    "pushover": ("html", (1, 0, True, False, "1", "0"), "1 or 0"),
}


def terms_problem(terms: Terms) -> str | None:
    """Say why a type cannot take a rendered tree, None where it may."""
    why = shape_problem(terms)
    if why is not None:
        return why
    most = PLACES[terms.type].most
    for key, length in _lengths(terms.tree):
        if length > most.get(key, length):
            return f"{key} has {length} characters, of which {terms.type} takes {most[key]}"
    return None


def shape_problem(terms: Terms) -> str | None:
    """Say why a type cannot take a tree of this shape, None where it may."""
    place, tree = PLACES.get(terms.type), terms.tree
    if place is None or not isinstance(tree, dict):
        return f"{terms.type} has no such terms of its own"
    for key in place.address:
        if key in tree:
            return f"{key} is the destination's to say"
    if not any(tree.get(key) for key in place.words):
        return f"it has none of {', '.join(place.words)}"
    key, values, told = _MARKUPS.get(terms.type, ("", (), ""))
    if key in tree and not any(tree[key] == v and type(tree[key]) is type(v) for v in values):
        return f"{key} must be {told}"
    for text in _TEXTS:
        if text != key and not isinstance(tree.get(text, ""), str) and terms.type != "msteams":
            return f"{text} must be text"
    return None


def _lengths(tree: Any, key: str = "") -> Iterator[tuple[str, int]]:
    """Yield how long each text of a tree is, with the key it stands under."""
    if isinstance(tree, str):
        yield key, len(tree)
    elif isinstance(tree, dict):
        for name, value in tree.items():
            yield from _lengths(value, name)
    elif isinstance(tree, list):
        for value in tree:
            yield from _lengths(value, key)


def lay(carried: Carried, terms: Terms) -> Carried:
    """Return what says a tree in place of its message; `terms_problem` found none."""
    if isinstance(carried, Request):
        return _lay_request(carried, terms)
    tree = {key: value for key, value in terms.tree.items() if isinstance(value, str)}
    if isinstance(carried, Mail):
        from dispatchd.compose.laid_mail import laid_mail  # noqa: PLC0415 - for mail alone

        return replace(carried, content=laid_mail(carried.content, tree))
    if isinstance(carried, Command):
        return carried  # a program is told by its environment
    return replace(carried, title=tree.get("title", ""), body=tree.get("body", ""))


def _lay_request(request: Request, terms: Terms) -> Request:
    document = orjson.loads(request.body)
    if terms.type == "msteams":  # the tree is the card, in its envelope
        card = document["attachments"][0]["content"]
        document["attachments"][0]["content"] = _laid(terms.type, card, terms.tree)
    else:
        document = _laid(terms.type, document, terms.tree)
    return replace(request, body=orjson.dumps(document))


def _laid(kind: str, document: dict[str, Any], tree: dict[str, Any]) -> dict[str, Any]:
    words = PLACES[kind].words
    laid = {key: value for key, value in document.items() if key not in words}
    laid |= tree
    html = laid.pop("html", None) if kind in ("telegram", "matrix") else None
    if kind == "telegram":
        if html is not None:
            laid |= {"text": html, "parse_mode": "HTML"}
        elif "parse_mode" not in tree:  # plain: what the courier says is HTML
            laid.pop("parse_mode", None)
    elif kind == "matrix":
        if html is not None:
            laid["formatted_body"] = html
        if "formatted_body" in laid:
            laid["format"] = "org.matrix.custom.html"
            laid.setdefault("body", unescape(_TAG.sub("", laid["formatted_body"])))
    return laid
