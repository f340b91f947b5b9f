"""Blacking out: what is secret in a destination's config must not come back in its answers. Pure.

An answer may echo a secret as it is, or as it stands in JSON, HTML or a URL, or cut short at the
end of what is kept. Each spelling is looked for by plain search, so the time is linear in the
text, and nothing where there are no secrets.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from html import escape
from typing import Final, TypeVar
from urllib.parse import quote, quote_plus, unquote, urlsplit

MIN_CHARS: Final = 6  # shorter values would black out ordinary words
URL_PART_MIN_CHARS: Final = 8
CUT_MIN_CHARS: Final = 6  # of a secret's beginning, at the end of a text
BLACK: Final = "***"
_SCHEMES: Final = frozenset({"bearer", "basic", "digest", "token"})
_PUBLIC_HEADERS: Final = frozenset({"accept", "content-type", "user-agent"})
_MIXED_MIN_CHARS: Final = 20  # so long, a part of a URL is hardly a word

_Text = TypeVar("_Text", str, bytes)
Headers = tuple[tuple[str, str], ...]


class Redactor:
    """Blacks out each of `secrets`, of those with at least six characters, in any spelling.

    Most answers hold no secret: one look for each beginning of one tells.
    """

    __slots__ = ("_bytes", "_secrets", "_texts")

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = tuple(secrets)
        long = [secret for secret in self._secrets if len(secret) >= MIN_CHARS]
        spelled = {s for secret in long for s in _spellings(secret)}
        self._texts = _by_start(spelled)
        self._bytes = _by_start({text.encode("utf-8", "surrogatepass") for text in spelled})

    def also(self, secrets: Iterable[str]) -> "Redactor":
        """Return one that blacks out these too."""
        return Redactor([*self._secrets, *secrets])

    def text(self, text: str) -> str:
        """Return `text` without secrets, nor the beginning of one at its end."""
        return _without(text, _present(self._texts, text), BLACK)

    def head(self, head: bytes) -> bytes:
        """Return the first bytes of a body without secrets, nor the beginning of one at its end."""
        return _without(head, _present(self._bytes, head), BLACK.encode())

    def headers(self, headers: Headers) -> Headers:
        """Return headers without secrets in their names or values."""
        if not self._texts:
            return headers
        # NUL stands in no header: what is found in the whole is found in one of them.
        secrets = _present(self._texts, "\0".join([part for pair in headers for part in pair]))
        if not secrets:
            return headers
        return tuple(
            (_without(name, secrets, BLACK), _without(value, secrets, BLACK))
            for name, value in headers
        )


def _by_start(spelled: set[_Text]) -> dict[_Text, list[_Text]]:
    starts: dict[_Text, list[_Text]] = {}
    for secret in sorted(spelled):
        starts.setdefault(secret[:CUT_MIN_CHARS], []).append(secret)
    return starts


def _present(starts: dict[_Text, list[_Text]], text: _Text) -> list[_Text]:
    """Return the secrets of which `text` holds at least the beginning, the longest first."""
    found = [secret for start, secrets in starts.items() if start in text for secret in secrets]
    # A secret within another must not leave the rest of it standing.
    found.sort(key=len, reverse=True)
    return found


def _without(text: _Text, secrets: list[_Text], black: _Text) -> _Text:
    if not secrets:
        return text
    for secret in secrets:
        if secret in text:
            text = text.replace(secret, black)
    cut = min((c for secret in secrets if (c := _cut_at(text, secret)) >= 0), default=-1)
    return text if cut < 0 else text[:cut] + black


def _cut_at(text: _Text, secret: _Text) -> int:
    """Return where, at the end of `text`, a beginning of `secret` stands; -1 where none does."""
    start = secret[:CUT_MIN_CHARS]
    at = text.find(start, max(0, len(text) - len(secret)))
    while at >= 0:
        if secret.startswith(text[at:]):
            return at
        at = text.find(start, at + 1)
    return -1


def header_secrets(headers: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield what is secret in headers of ours: the values, and their parts (the token alone)."""
    for name, value in headers:
        if name.lower() in _PUBLIC_HEADERS:
            continue
        yield value
        for part in value.replace(",", " ").replace(";", " ").split():
            if part.lower() in _SCHEMES:
                continue
            yield part
            yield part.partition("=")[2].strip('"')
        scheme, _, coded = value.partition(" ")
        if scheme.lower() == "basic":
            yield from _decoded(coded)


def _decoded(coded: str) -> Iterator[str]:
    try:
        pair = b64decode(coded.strip(), validate=True).decode()
    except ValueError:
        return
    yield pair
    yield pair.partition(":")[2]


def url_secrets(url: str) -> Iterator[str]:
    """Yield what may be secret in a destination's URL: its user and password, and the tokens.

    Of the path and the query, each part of eight characters or more that does not read like a
    word; where there is one, the path and query as a whole too.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    userinfo = parts.netloc.rpartition("@")[0]
    if userinfo:
        user, _, password = userinfo.partition(":")
        yield from (userinfo, password, unquote(password))
        pair = f"{unquote(user)}:{unquote(password)}"
        yield pair
        yield b64encode(pair.encode("utf-8", "replace")).decode().rstrip("=")
    fields = [value for pair in parts.query.split("&") for value in pair.partition("=")[::2]]
    found = False
    for part in (*parts.path.split("/"), *fields):
        if _is_token(part):
            found = True
            yield part
            yield unquote(part)
    if found:
        yield f"{parts.path}?{parts.query}" if parts.query else parts.path


def _is_token(part: str) -> bool:
    """Whether a part of a URL looks like a secret: digits, mixed case or length say so."""
    if len(part) < URL_PART_MIN_CHARS:
        return False
    mixed = part != part.lower() and part != part.upper()
    return len(part) >= _MIXED_MIN_CHARS or any(c.isdigit() for c in part) or mixed


def _spellings(secret: str) -> Iterator[str]:
    """Yield a secret as it may stand in an answer."""
    plain = secret.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    for spelled in {secret, plain}:
        yield spelled
        for ascii_only in (True, False):
            coded = json.dumps(spelled, ensure_ascii=ascii_only)[1:-1]
            yield coded
            yield coded.replace("/", "\\/")
        for keep in ("", "/"):
            percent = quote(spelled, safe=keep, errors="replace")
            yield percent
            yield _lower_hex(percent)
        yield quote_plus(spelled, errors="replace")
        for html in (escape(spelled), escape(spelled, quote=False)):
            yield html
            yield html.replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
        coded = b64encode(spelled.encode("utf-8", "replace")).decode().rstrip("=")
        yield coded
        yield coded.replace("+", "-").replace("/", "_")


def _lower_hex(text: str) -> str:
    first, *rest = text.split("%")
    return "%".join([first, *(part[:2].lower() + part[2:] for part in rest)])
