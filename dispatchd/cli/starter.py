"""The config that `init` writes: one sender, one destination, and what there is to know of them."""

import json
import secrets
from collections.abc import Iterator
from dataclasses import field
from typing import Final
from urllib.parse import urlsplit

from dispatchd.frozen import frozen
from dispatchd.hints import HINTS
from dispatchd.hints.hint import OWN, Key
from dispatchd.hints.telling import about, key_line, variable

SECRET_BYTES: Final = 32
GENERIC: Final = "generic"
CATCH: Final = "http://127.0.0.1:9000/"
HOST: Final = "hooks.example.com"
# Which type of destination a URL is of, by its host and the beginning of its path.
BY_URL: Final = (
    ("discord.com", "/api/webhooks/", "discord"),
    ("hooks.slack.com", "/services/", "slack"),
    ("chat.googleapis.com", "/v1/spaces/", "googlechat"),
    ("ntfy.sh", "/", "ntfy"),
)
_COLUMN: Final = 32


@frozen
class Wishes:
    """What is to be in the config. `given` are keys of the sender, by name, that are known."""

    storage: str
    provider: str = GENERIC
    slug: str = "my-slug"
    to: str = CATCH
    type: str | None = None
    public_url: str | None = None
    given: dict[str, str] = field(default_factory=dict)

    @property
    def makes_secret(self) -> bool:
        """Whether a fresh secret is made, that is the sender's, too."""
        return any(map(own_key, HINTS[self.provider].keys))

    @property
    def kind(self) -> str:
        """The destination's type: as it was said, else as its URL tells."""
        return self.type or kind_of(self.to)


def kind_of(url: str) -> str:
    """Return which type of destination a URL is of."""
    parts = urlsplit(url)
    for host, path, kind in BY_URL:
        if parts.hostname == host and parts.path.startswith(path) and parts.path != path:
            return kind
    return "webhook"


def own_key(key: Key) -> bool:
    """Whether a key is of one's own making, so that a fresh one will do."""
    return key.name == "secret" and OWN in key.where


def starter(wishes: Wishes) -> str:
    """Return the config. Keys that only the sender can give are left to variables."""
    return "\n".join(_lines(wishes)) + "\n"


def wanted(wishes: Wishes) -> dict[str, str]:
    """Return the variables that it refers to, and where the value of each is found."""
    return {
        variable(wishes.provider, key.name): key.where
        for key in HINTS[wishes.provider].keys
        if _value(wishes, key) is None
    }


def _lines(wishes: Wishes) -> Iterator[str]:
    yield "# dispatchd config. Every key: docs/configuration.md. Check it: dispatchd check"
    yield "server:"
    yield _said("  listen: 127.0.0.1:8080", "a reverse proxy brings webhooks here from outside")
    if wishes.public_url is not None:
        yield f"  public_url: {_text(wishes.public_url)}"
    yield ""
    yield "storage:"
    yield f"  url: {_text(wishes.storage)}"
    yield _said("  retention: 30d", "how long events are kept that owe nothing")
    yield ""
    yield "endpoints:"
    yield _said(f"  {_name(wishes.slug)}:", f"webhooks come to POST /hooks/{wishes.slug}")
    if wishes.provider != GENERIC:
        yield f"    provider: {wishes.provider}"
    for key in HINTS[wishes.provider].keys:
        value = _value(wishes, key)
        if key.name == "url" and wishes.public_url is not None:
            continue
        yield "    " + key_line(
            key.name, _text(value) if value is not None else f'"${{{_variable(wishes, key)}}}"'
        )
    if wishes.provider == GENERIC:
        yield _said("    event_type_path: action", "where the body says what kind of event it is")
    name = destination_name(wishes)
    yield f"    destinations: [{name}]"
    yield ""
    yield "destinations:"
    yield f"  {name}:"
    yield from _destination(wishes)
    if wishes.provider != GENERIC:
        yield ""
        yield f"# {wishes.provider}: {HINTS[wishes.provider].title}"
        yield "#"
        yield from about(wishes.provider, wishes.slug)


def _destination(wishes: Wishes) -> Iterator[str]:
    url = wishes.to
    if wishes.kind != "webhook":
        yield f"    type: {wishes.kind}"
    if wishes.kind == "ntfy":
        base, _, topic = url.rstrip("/").rpartition("/")
        yield f"    url: {_text(base)}"
        yield _said(f"    topic: {_text(topic)}", "whoever knows it can read along")
    elif url == CATCH:
        yield _said(f"    url: {url}", "where `dispatchd catch` listens")
    else:
        yield f"    url: {_text(url)}"


def destination_name(wishes: Wishes) -> str:
    """Return what the destination is called: its type, or the first word of its host."""
    if wishes.kind != "webhook":
        return wishes.kind
    host = urlsplit(wishes.to).hostname or ""
    first = host.split(".")[0]
    if host == "localhost" or not first or first.isdigit() or not _is_word(first):
        return "local"
    return first


def _is_word(text: str) -> bool:
    return text.isascii() and text.replace("-", "").isalnum() and text[0].isalpha()


def _value(wishes: Wishes, key: Key) -> str | None:
    if key.name in wishes.given:
        return wishes.given[key.name]
    if own_key(key):
        return secrets.token_urlsafe(SECRET_BYTES)
    if key.name == "url":
        return wishes.public_url or f"https://{HOST}/hooks/{wishes.slug}"
    return None


def _variable(wishes: Wishes, key: Key) -> str:
    return variable(wishes.provider, key.name)


def _said(line: str, comment: str) -> str:
    return f"{line:<{_COLUMN - 2}}  # {comment}"


def _name(text: str) -> str:
    return text if _is_word(text) else json.dumps(text)


def _text(text: str) -> str:
    """Spell text for YAML, a JSON string being one; `${` in it is meant as it stands."""
    return json.dumps(text.replace("${", "$${"))
