"""What strangers write, made inert in each platform's own markup: one row a syntax. Pure.

Escaped text is shown as it was written: it starts no formatting, mentions nobody, closes no tag
and begins no link. Sources: Discord, Markdown Text 101; Slack, Formatting text for app surfaces;
Telegram, Bot API, HTML style; Google Chat, Format messages; Adaptive Cards, Markdown features.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from html import escape as _html
from typing import Any, Final
from urllib.parse import quote, urlsplit

from dispatchd.frozen import frozen
from dispatchd.message import ZERO_WIDTH, without_hidden
from dispatchd.strangers import utf8

# Whatever comes last may be followed by another value, which goes on with it.
_PUNCTUATION: Final = re.compile(r"([\\`*_~|#<>\[\]()!$^]|:(?=//|/?\Z))")
_MENTION: Final = re.compile(r"@(?=\w|\Z)")
# A list, a quote or a heading begins at a line's first mark, or with a number.
_LINE_START: Final = re.compile(r"^([ \t]*)([-+=])", re.MULTILINE)
_NUMBERED: Final = re.compile(r"^([ \t]*\d+)(\.)(?=\s|$)", re.MULTILINE)
_EDGE_MARK: Final = re.compile(r"(?<!\w)[*_~`]|[*_~`](?!\w)")
# Slack and Google Chat know no backslash: the same marks as other characters.
_LOOKALIKES: Final = {"*": "∗", "_": "ˍ", "~": "∼", "`": "ˋ"}  # noqa: RUF001 - meant
_QUOTED_LINE: Final = re.compile(r"^([ \t]*)(?=&gt;|>)", re.MULTILINE)
_LINKED: Final = ("http", "https", "mailto")
_IN_URL: Final = "!#$%&'()*+,/:;=?@[]~-._"


def plain(text: str) -> str:
    """Drop what is no text: control characters, and what turns the direction of writing."""
    return without_hidden(utf8(text.replace("\r\n", "\n").replace("\r", "\n")))


def one_line(text: str) -> str:
    """Put what is meant for one line on one: a subject, a title."""
    return " ".join(plain(text).split())


def html(text: str) -> str:
    """Escape for HTML, in text and in attributes."""
    return _html(plain(text))


def chat(text: str) -> str:
    """Part what would mention somebody; nothing else means anything."""
    return _MENTION.sub(f"@{ZERO_WIDTH}", plain(text))


def chat_html(text: str) -> str:
    """Escape for the HTML of a chat, mentions included: Telegram, Matrix."""
    return _html(chat(text))


def markdown(text: str) -> str:
    """Escape for Markdown with backslashes, mentions included: Discord, Mattermost, Teams."""
    text = _PUNCTUATION.sub(r"\\\1", plain(text))
    text = _LINE_START.sub(r"\1\\\2", text)
    text = _NUMBERED.sub(r"\1\\\2", text)
    return _MENTION.sub(f"@{ZERO_WIDTH}", text)


def slack(text: str) -> str:
    """Escape for Slack's mrkdwn: entities, and marks where they would begin or end something."""
    return _no_marks(_html(plain(text), quote=False))


def googlechat(text: str) -> str:
    """Escape for Google Chat's text: it has neither entities nor backslashes."""
    return _no_marks(plain(text)).replace("<", f"<{ZERO_WIDTH}")


def _no_marks(text: str) -> str:
    text = _EDGE_MARK.sub(lambda match: _LOOKALIKES[match[0]], text)
    text = _QUOTED_LINE.sub(rf"\1{ZERO_WIDTH}", text)
    return _MENTION.sub(f"@{ZERO_WIDTH}", text)


def url(text: str) -> str:
    """Percent-encode what cannot stand in a URL."""
    return quote(plain(text).strip(), safe=_IN_URL)


def is_link(text: str) -> bool:
    """Whether a text is a URL that a person may be led to: http, https or mailto."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in _LINKED and bool(parts.netloc or parts.scheme == "mailto")


@frozen
class Syntax:
    """A platform's markup: how text is made inert in it, and how it spells a link.

    `link` is given a URL and a text, both escaped already.
    """

    escape: Callable[[str], str]
    link: Callable[[str, str], str]

    def linked(self, address: str, text: str) -> str:
        """Spell a link; where the address is none that people may be led to, the text alone."""
        address = url(address)
        if not is_link(address):
            return self.escape(text)
        return self.link(address, self.escape(text or address))


def _plain_link(address: str, text: str) -> str:
    return address if text == address else f"{text} ({address})"


def _html_link(address: str, text: str) -> str:
    return f'<a href="{_html(address)}">{text}</a>'


def _markdown_link(address: str, text: str) -> str:
    return f"[{text}]({address.replace('(', '%28').replace(')', '%29')})"


def _discord_link(address: str, text: str) -> str:
    """Spell a link in the angles that keep Discord from adding a preview."""
    return f"[{text}](<{address.replace('(', '%28').replace(')', '%29')}>)"


def _slack_link(address: str, text: str) -> str:
    return f"<{_html(address).replace('|', '%7C')}|{text.replace('|', '¦')}>"


def _googlechat_link(address: str, text: str) -> str:
    return f"<{address.replace('|', '%7C')}|{text.replace('|', '¦')}>"


SYNTAXES: Final[Mapping[str, Syntax]] = {
    "plain": Syntax(plain, _plain_link),
    "exact": Syntax(utf8, _plain_link),
    "line": Syntax(one_line, _plain_link),
    "html": Syntax(html, _html_link),
    "chat": Syntax(chat, _plain_link),
    "chat_html": Syntax(chat_html, _html_link),
    "markdown": Syntax(markdown, _markdown_link),
    "discord": Syntax(markdown, _discord_link),
    "slack": Syntax(slack, _slack_link),
    "googlechat": Syntax(googlechat, _googlechat_link),
    "url": Syntax(url, lambda address, _: address),
}

# The types of destinations that people read, with the syntax of their own terms.
TYPES: Final[Mapping[str, str]] = {
    "discord": "discord",
    "slack": "slack",
    "telegram": "chat",
    "googlechat": "googlechat",
    "msteams": "markdown",
    "mattermost": "markdown",
    "matrix": "chat",
    "ntfy": "plain",
    "gotify": "plain",
    "pushover": "plain",
    "email": "plain",
    "apprise": "chat",
}
PROGRAM: Final = "command"  # what is for a program: nothing is escaped or dropped
# Keys whose values are written in another syntax than the rest, wherever they stand.
_KEYS: Final[Mapping[str, str]] = {
    "html": "html",
    "formatted_body": "html",
    "subject": "line",
    "url": "url",
    "href": "url",
}
_URL_ENDINGS: Final = ("_url", "Url", "_link")


# Where a type's own terms turn to another markup, by what the tree says of itself.
_TURNS: Final[Mapping[str, Callable[[Mapping[str, Any]], str | None]]] = {
    "telegram": lambda tree: "chat_html" if tree.get("parse_mode") == "HTML" else None,
    "ntfy": lambda tree: "markdown" if tree.get("markdown") is True else None,
    "pushover": lambda tree: "html" if tree.get("html") in (1, True, "1") else None,
    "gotify": lambda tree: "markdown" if "markdown" in str(tree.get("extras")) else None,
}


def syntax_of(kind: str, tree: Any, path: Sequence[str | int]) -> str:
    """Name the syntax of what stands at `path` in a tree in the terms of a type.

    `default` is plain but for its URL, a program's texts are exact, and whatever is no type is
    plain throughout.
    """
    if kind not in TYPES and kind != "default":
        return "exact" if kind == PROGRAM else "plain"
    keys = [step for step in path if isinstance(step, str)]
    key = keys[-1] if keys else ""
    if (own := _KEYS.get(key)) is not None:
        return f"chat_{own}" if own == "html" and TYPES.get(kind) == "chat" else own
    if key.endswith(_URL_ENDINGS):
        return "url"
    if kind == "googlechat" and "cardsV2" in keys:  # a card's text is a little HTML
        return "html"
    turned = _TURNS[kind](tree) if kind in _TURNS and isinstance(tree, dict) else None
    return turned or TYPES.get(kind, "plain")
