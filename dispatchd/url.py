"""A destination's URL, read once: where to connect, and what to send there. Pure.

The path and the query go out byte for byte as they are written (RFC 3986 section 6.2.2 would
allow to rewrite them, but a signature or a routing rule may cover them); only what cannot stand
in a request line, beyond ASCII, is percent-encoded. A fragment is never sent.
"""

import re
from base64 import b64encode
from typing import Final
from urllib.parse import quote, unquote_to_bytes, urlsplit

from dispatchd.frozen import frozen

_PORTS: Final = {"http": 80, "https": 443, "http+unix": 0}
_PRINTABLE: Final = "".join(map(chr, range(0x21, 0x7F)))
_AUTHORITY_END: Final = re.compile(r"[/?#]")


@frozen
class Origin:
    """What a connection leads to; `host` is a name in ASCII or an address without brackets."""

    tls: bool
    host: str
    port: int
    unix_path: str | None = None


@frozen
class Url:
    """A URL as a request needs it: `target` is what stands in the request line."""

    origin: Origin
    host_header: str
    target: str
    authorization: str | None


def read_url(url: str) -> Url:
    """Read an absolute http, https or http+unix URL. Raises ValueError; it holds nothing of it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not a URL: its host or port cannot be read") from None
    default_port = _PORTS.get(parts.scheme)
    if default_port is None:
        raise ValueError("must begin with http:// or https://")
    if not host:
        raise ValueError("is not a URL: it names no host")
    rest = url.partition("://")[2]
    end = _AUTHORITY_END.search(rest)
    target = rest[end.start() :].partition("#")[0] if end else ""
    target = quote(target if target.startswith("/") else f"/{target}", safe=_PRINTABLE)
    authorization = basic_auth(parts.netloc.rpartition("@")[0]) if "@" in parts.netloc else None
    if parts.scheme == "http+unix":
        path = unquote_to_bytes(parts.netloc.rpartition("@")[2]).decode("utf-8", "surrogateescape")
        origin = Origin(tls=False, host="localhost", port=0, unix_path=path)
        return Url(origin, "localhost", target, authorization)
    host = ascii_host(host)
    port = default_port if port is None else port
    shown = f"[{host.partition('%')[0]}]" if ":" in host else host
    return Url(
        Origin(parts.scheme == "https", host.replace("%25", "%"), port),
        shown if port == default_port else f"{shown}:{port}",
        target,
        authorization,
    )


def basic_auth(userinfo: str) -> str:
    """Return the Authorization value for `user:password` as a URL spells it (RFC 7617)."""
    user, _, password = userinfo.partition(":")
    pair = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
    return "Basic " + b64encode(pair).decode()


def ascii_host(host: str) -> str:
    """Return a host name as DNS and TLS know it. Raises ValueError for what is none."""
    if host.isascii():
        return host
    import idna  # noqa: PLC0415 - its tables are large, and few names need them

    try:
        return idna.encode(host, uts46=True).decode()
    except UnicodeError:
        pass
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        raise ValueError("is not a URL: its host is neither a name nor an address") from None
