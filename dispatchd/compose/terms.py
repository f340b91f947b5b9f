"""What a template says in a type's own terms, laid into the request that its courier composes.

The courier composes a message as ever; its words go, and the tree comes in their place. What is
not said in the tree stays as the courier has it: whom a message may notify, that links get no
preview. Whom it goes to is never the tree's to say. Pure.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP
from hashlib import sha256
from html import unescape
from typing import Any, Final

import orjson

from dispatchd.message import Terms
from dispatchd.model import Carried, Mail, Request

_TAG: Final = re.compile(r"<[^>]*>")


@dataclass(frozen=True, slots=True)
class Place:
    """A type's document: keys that hold its `words`, of which one must be there, and an address."""

    words: tuple[str, ...]
    address: tuple[str, ...] = ()


PLACES: Final[Mapping[str, Place]] = {
    "discord": Place(("content", "embeds", "components")),
    "slack": Place(("text", "blocks", "attachments"), ("channel", "thread_ts")),
    "telegram": Place(("text", "html"), ("chat_id", "message_thread_id")),
    "googlechat": Place(("text", "cardsV2", "fallbackText"), ("thread",)),
    "msteams": Place(("body", "actions", "fallbackText")),
    "mattermost": Place(("text", "attachments"), ("channel",)),
    "matrix": Place(("body", "format", "formatted_body", "html")),
    "ntfy": Place(("message", "title", "click", "tags", "priority"), ("topic",)),
    "gotify": Place(("message", "title", "extras")),
    "email": Place(("text", "html"), ("from", "to")),
    "apprise": Place(("body", "title"), ("urls",)),
    "pushover": Place(("message", "title", "url", "url_title"), ("token", "user", "device")),
}


def terms_problem(terms: Terms) -> str | None:
    """Say why a type cannot take a tree, None where it may."""
    place = PLACES.get(terms.type)
    if place is None or not isinstance(terms.tree, dict):
        return f"{terms.type} has no such terms of its own"
    for key in place.address:
        if key in terms.tree:
            return f"{key} is the destination's to say"
    if not any(terms.tree.get(key) for key in place.words):
        return f"it has none of {', '.join(place.words)}"
    return None


def lay(carried: Carried, terms: Terms) -> Carried:
    """Return what says a tree in place of its message; `terms_problem` found none."""
    if isinstance(carried, Request):
        return _lay_request(carried, terms)
    if isinstance(carried, Mail):
        return replace(carried, content=_lay_mail(carried.content, terms.tree))
    return replace(carried, title=_text(terms.tree, "title"), body=_text(terms.tree, "body"))


def _lay_mail(content: bytes, tree: Mapping[str, Any]) -> bytes:
    """Return a mail with its headers, whose subject and parts the tree says."""
    mail = BytesParser(EmailMessage, policy=SMTP).parsebytes(content)
    if "subject" in tree:
        mail.replace_header("Subject", " ".join(_text(tree, "subject").split()))
    html = _text(tree, "html")
    text = _text(tree, "text") or unescape(_TAG.sub("", html))
    boundary = f"=_{sha256(text.encode()).hexdigest()[:32]}"  # else it would be random
    mail.clear_content()
    mail.set_content(text, cte="quoted-printable")
    if html:
        mail.make_alternative(boundary=boundary)
        mail.add_alternative(html, subtype="html", cte="quoted-printable")
    return mail.as_bytes()


def _text(tree: Mapping[str, Any], key: str) -> str:
    value = tree.get(key)
    return value if isinstance(value, str) else ""


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
