"""What a scheme is shown and what it may answer: values only."""

from dataclasses import field
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import parse_qs

from dispatchd.frozen import frozen

QUERY_FIELDS_MAX: Final = 50
HEADER_MAX_CHARS: Final = 8192  # what aiohttp lets a header line be; holds behind any server


class Headers(Protocol):
    """A case-insensitive multi-mapping, as aiohttp hands it in."""

    def getall(self, key: str, default: list[str], /) -> list[str]:
        """Return every value of `key`."""


class _Unread:
    """Nobody has read the body yet."""


UNREAD: Final = _Unread()


class Inbound(NamedTuple):
    """One inbound request, as data; a tuple because one is made for every request.

    `query` is the raw query string as received (no `?`, not requoted), `body` the raw bytes,
    `now_s` Unix time in seconds. `document` is what the body says, where it was read already;
    None where it cannot be read.
    """

    method: str
    headers: Headers
    query: str
    body: bytes
    now_s: float
    document: Any = UNREAD


@frozen
class ApiKey:
    """An API key as the config knows it: its name and the SHA-256 of the whole key."""

    name: str
    sha256: bytes


@frozen
class Genuine:
    """Proven; `by` says how, in words fit for a log line: `github[0]` is its first secret."""

    by: str


@frozen
class Rejected:
    """Not proven; `code` is the API's error code, `message` is safe to show to a sender."""

    code: str
    message: str


@frozen
class Answer:
    """What a handshake is answered with; always sent with `X-Content-Type-Options: nosniff`.

    `shown` is what the operator has to see of it, once: a token that the sender made up. `visit`
    is a pinned URL that must be fetched before, for what that does there, and `note` is then for
    the log.
    """

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    shown: str = field(default="", repr=False)
    visit: str = ""
    note: str = ""


class Check(Protocol):
    """One way of proving a request, compiled with its keys.

    `paths` are the dot paths it follows into the body, which is read before it is asked.
    """

    paths: tuple[str, ...]

    def check(self, sender: Inbound) -> Genuine | Rejected | None:
        """Judge the request; None when it carries no signature of this scheme."""


def one_header(headers: Headers, name: str) -> str | None:
    """Return the only value of a header; ValueError when it is doubled, too long or not ASCII."""
    values = headers.getall(name, [])
    if not values:
        return None
    if len(values) > 1:
        raise ValueError(f"{name} is sent more than once")
    value = values[0]
    if not value.isascii() or len(value) > HEADER_MAX_CHARS:
        raise ValueError(f"{name} is malformed")
    return value


def query_field(query: str, name: str) -> str | None:
    """Return a field of a raw query; ValueError where it is doubled, or there are too many."""
    if not query:
        return None
    fields = parse_qs(query, keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX)
    values = fields.get(name)
    if values is None:
        return None
    if len(values) > 1:
        raise ValueError(f"the query's {name} is there more than once")
    return values[0]
