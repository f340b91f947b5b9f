"""Which bytes are signed: `{timestamp}.{body}` and its like, compiled once."""

from string import Formatter
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from dispatchd.frozen import frozen
from dispatchd.verify.inbound import Inbound, one_header
from dispatchd.verify.places import at

NAMES: Final = (
    "{timestamp}, {body}, {url}, {method}, {header.NAME}, {body.PATH}; a ? behind a name or path"
    " says that it may be missing"
)


@frozen
class Part:
    """One piece of a template: `kind` is literal, a bare name, `header` or `field`.

    What is `optional` may be missing, and is nothing then.
    """

    kind: str
    name: str = ""
    optional: bool = False


class Signed(NamedTuple):
    """What a template is filled from, beside the request itself."""

    sender: Inbound
    url: str
    timestamp: str | None
    document: Any


def compile_template(text: str) -> tuple[Part, ...]:
    """Compile a template; ValueError names what is unknown in it."""
    parts: list[Part] = []
    try:
        pieces = list(Formatter().parse(text))
    except ValueError:
        raise ValueError("the template is malformed: check its braces") from None
    for literal, name, spec, conversion in pieces:
        if literal:
            parts.append(Part("literal", literal))
        if name is None:
            continue
        kind, dot, rest = name.partition(".")
        if spec or conversion:
            raise ValueError(f"the template can use plain names only: {NAMES}")
        if name in ("timestamp", "body", "url", "method"):
            parts.append(Part(name))
        elif dot and rest.removesuffix("?") and kind in ("header", "body"):
            place = rest.removesuffix("?")
            parts.append(Part("field" if kind == "body" else kind, place, rest != place))
        else:
            raise ValueError(f"the template names something unknown; known are {NAMES}")
    if all(part.kind == "literal" for part in parts):
        raise ValueError(f"the template signs nothing of the request; use {NAMES}")
    return tuple(parts)


def uses(parts: tuple[Part, ...], kind: str) -> bool:
    """Whether a compiled template has a part of this kind."""
    return any(part.kind == kind for part in parts)


def is_body(parts: tuple[Part, ...]) -> bool:
    """Whether a template is the body alone: the common case, which copies nothing."""
    return parts == (Part("body"),)


def fill(parts: tuple[Part, ...], signed: Signed) -> bytes:
    """Return the signed bytes; ValueError when the request lacks a part of them."""
    return b"".join([_piece(part, signed) for part in parts])


def _piece(part: Part, signed: Signed) -> bytes:
    match part.kind:
        case "literal":
            return part.name.encode()
        case "body":
            return signed.sender.body
        case "timestamp":
            return _present(signed.timestamp, "the timestamp").encode("ascii")
        case "url":
            return full_url(signed.url, signed.sender.query)
        case "method":
            return signed.sender.method.encode("ascii")
        case "header":
            sent = one_header(signed.sender.headers, part.name)
            return b"" if sent is None and part.optional else _present(sent, part.name).encode()
        case _:
            value = at(signed.document, part.name)
            if isinstance(value, bool):
                value = "true" if value else "false"
            elif isinstance(value, int):
                value = str(value)
            if part.optional and value in (None, ""):
                return b""
            return _present(value, f"the body's {part.name}").encode()


def _present(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is missing")
    return value


def full_url(url: str, query: str) -> bytes:
    """Return the public URL with the query as received, which is what a provider called."""
    return (url + "?" + query if query else url).encode("ascii")


def public_url_problem(url: str) -> str | None:
    """Say what keeps `url` from being a public URL without a query; None when nothing does."""
    try:
        parts = urlsplit(url)
        fit = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fit = False
    if not fit or not url.isascii():
        return "url is not an http or https URL in ASCII"
    if "?" in url or "#" in url:
        return "url must not have a query; the received one is added"
    return None
