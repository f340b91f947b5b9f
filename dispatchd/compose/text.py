"""Strangers' text as it may stand in a message: clean, cut to a bound, and harmless as a link.

Bounds are kept after escaping. Unless a platform counts bytes, lengths are in UTF-16 code units,
of which no text has fewer than characters: so a bound holds whichever of them is counted.
"""

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import quote, urlsplit

from dispatchd.message import COLOURS, ZERO_WIDTH, Field, Message, without_hidden

Spell = Callable[[str], str]
Size = Callable[[str], int]

ELLIPSIS: Final = "…"
URL_MAX_CHARS: Final = 2048
UNTITLED: Final = "Event"
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_ENDS: Final = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_URL_SAFE: Final = "%/:=&?~#+!$,;-._"  # no @: what shows the URL might see a mention
_MENTION: Final = re.compile(r"@(?=\w)")


def one_line(text: str) -> str:
    """Return `text` in one line, without what is invisible or commands a screen."""
    return " ".join(_SURROGATES.sub("\ufffd", without_hidden(" ".join(text.split()))).split())


def lines(text: str) -> str:
    """Return `text` with its line breaks as line feeds, no more than one line blank at once."""
    text = _SURROGATES.sub("\ufffd", without_hidden(_ENDS.sub("\n", text)))
    kept: list[str] = []
    for line in text.split("\n"):
        if line.strip():
            kept.append(line.rstrip())
        elif kept and kept[-1]:
            kept.append("")
    return "\n".join(kept).strip()


def as_it_is(text: str) -> str:
    """Spell text for where nothing in it means anything."""
    return text


def units(text: str) -> int:
    """Return the length of `text` in UTF-16 code units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "replace")) // 2


def utf8_bytes(text: str) -> int:
    """Return the length of `text` in bytes of UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def fit(text: str, most: int, spell: Spell = as_it_is, size: Size = units) -> str:
    """Return `text` as `spell` has it, cut where its `size` would be over `most`.

    No escape is cut in two: it is the text that is cut, and then spelled.
    """
    shown = text[: most + 1]  # no character is smaller than one
    if len(shown) == len(text):
        spelled = spell(text)
        if size(spelled) <= most:
            return spelled
    best, low, high = "", 0, min(len(text), max(most, 0))
    while low <= high:
        middle = (low + high) // 2
        spelled = spell(shown[:middle].rstrip() + ELLIPSIS)
        if size(spelled) <= most:
            best, low = spelled, middle + 1
        else:
            high = middle - 1
    return best


def title_of(message: Message) -> str:
    """Return the title in one line; there always is one."""
    return one_line(message.title) or UNTITLED


def fields_of(message: Message, most: int) -> list[Field]:
    """Return up to `most` fields that say something, each clean; values may have lines."""
    found: list[Field] = []
    for field in message.fields:
        value = lines(field.value)
        if value and len(found) < most:
            found.append(Field(one_line(field.name) or ELLIPSIS, value))
    return found


def link_of(message: Message, most: int = URL_MAX_CHARS) -> str | None:
    """Return the URL spelled so that it can end no markup; None where it is no plain http(s) one.

    One with a user in it (`https://github.com@example.net`) is none.
    """
    url = (message.url or "").strip()
    if not url or len(url) > most or not url.isprintable():
        return None
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
        return None
    if not parts.netloc.isascii() or not re.fullmatch(r"[A-Za-z0-9.:_-]+", parts.netloc):
        return None
    url = parts.scheme + url[len(parts.scheme) :]  # which has no capitals then
    spelled = quote(url, safe=_URL_SAFE, errors="replace")
    return spelled if len(spelled) <= most else None


def colour_of(message: Message) -> str:
    """Return the colour of a message as `#rrggbb`."""
    return f"#{rgb_of(message):06x}"


def rgb_of(message: Message) -> int:
    """Return the colour of a message, its own or its kind's, as 0xRRGGBB."""
    return COLOURS[message.kind] if message.colour is None else message.colour


def mention_less(text: str) -> str:
    """Part each `@` from what follows it, so that it names nobody; it looks as before."""
    return _MENTION.sub(f"@{ZERO_WIDTH}", text)


def backslashed(characters: str) -> Spell:
    """Return a spelling that puts a backslash before each of `characters`."""
    return _Backslashes(characters)


class _Backslashes:
    def __init__(self, characters: str) -> None:
        self._table = str.maketrans({c: f"\\{c}" for c in characters})

    def __call__(self, text: str) -> str:
        return text.translate(self._table)


def body_of(
    message: Message,
    most: int,
    spell: Spell = as_it_is,
    *,
    size: Size = units,
    named: Spell = as_it_is,
    value_most: int = 1000,
) -> str:
    """Return description, fields and footer as lines of at most `most`, all but the title.

    `named` dresses a field's name, which is spelled already. Where it gets tight, the last
    fields go first; a third is the description's.
    """
    footer = fit(one_line(message.footer), min(200, most // 4), spell, size)
    left = most - (size(footer) + 2 if footer else 0)
    described = lines(message.description)
    reserve = left // 3 if described else 0
    facts = []
    for field in fields_of(message, len(message.fields)):
        label = named(fit(field.name, 100, spell, size)) + ": "
        room = min(left - reserve - size(label) - 2, value_most)
        value = fit(" ".join(field.value.split()), room, spell, size) if room > 0 else ""
        if not value:
            break
        facts.append(label + value)
        left -= size(facts[-1]) + 1
    described = fit(described, left - 2, spell, size)
    return "\n\n".join(part for part in (described, "\n".join(facts), footer) if part)
