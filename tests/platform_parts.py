"""What the rules of all platforms are made of: a request as it arrives, HTML, bounds, escapes."""

import json
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from dispatchd.model import Request
from dispatchd.url import read_url

MENTION = re.compile(r"@\w")


@dataclass
class Arrived:
    """A request as a platform's server sees it; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        pairs = self.target.partition("?")[2]
        return dict(pair.partition("=")[::2] for pair in pairs.split("&") if pair)


def arrived(request: Request) -> Arrived:
    """Return a composed request as it would arrive."""
    assert isinstance(request, Request)
    pairs = list(request.headers)
    return Arrived(
        request.method,
        read_url(request.url).target,
        {name.lower(): value for name, value in pairs},
        request.body,
    )


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


class Markup(HTMLParser):
    """Reads HTML to its tags and its text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def breaches(self, allowed: dict[str, set[str]]) -> list[str]:
        found = []
        for tag, attributes in self.tags:
            if tag not in allowed:
                found.append(f"<{tag}> is not ours")
            elif set(attributes) - allowed[tag]:
                found.append(f"<{tag}> has {sorted(attributes)}")
            href = attributes.get("href")
            if href is not None and not re.match(r"https?://", href):
                found.append(f"a link to {href}")
        return found


def bounded(text: Any, least: int, most: int, what: str) -> list[str]:
    if not isinstance(text, str):
        return [f"{what} is no text"]
    if not least <= utf16(text) <= most:
        return [f"{what} has {utf16(text)} characters"]
    return [f"{what} has a control"] if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text) else []


def unescaped(text: str, characters: str, what: str) -> list[str]:
    """Whatever of `characters` stands without a backslash before it."""
    bare = re.sub(r"\\[^0-9A-Za-z\s]", "", text)
    return [f"{what} has a bare {c}" for c in characters if c in bare]
