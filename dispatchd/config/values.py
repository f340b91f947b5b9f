"""The config's small values: durations, sizes, listeners, and what may stand in a header."""

import re
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from dispatchd.addresses import refusal
from dispatchd.framing import FRAMING, PROXY
from dispatchd.model import Listen

_SIZE: Final = re.compile(r"(\d{1,12})\s?(B|KB|MB|GB|KiB|MiB|GiB)", re.ASCII)
_SIZE_BYTES: Final = {
    "B": 1,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
}
SIZE_PATTERN: Final = r"^\d+ ?(B|KB|MB|GB|KiB|MiB|GiB)$"


class Unquotable(ValueError):  # noqa: N818 - it says how to treat the reason
    """A refusal whose reason, `why`, may quote the value: for eyes that may see the value."""

    def __init__(self, message: str, why: str) -> None:
        super().__init__(message)
        self.message = message
        self.why = why


def size_bytes(value: Any) -> int:
    """Read `10MiB 512KB` as bytes. Raises ValueError that says what to write."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise ValueError(f'a size needs a unit; write "{value}B" for bytes')  # noqa: TRY004 - pydantic's contract
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("is not a size; write 512KB, 10MiB or 1GiB")
    return int(match[1]) * _SIZE_BYTES[match[2]]


_LISTEN_ADVICE: Final = "is not a listener; write host:port, [v6]:port, unix:/path or systemd"
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+", re.ASCII)
_HANDED: Final = re.compile(r"[!-9;-~]{1,255}", re.ASCII)  # sd_listen_fds(3): no colon
UNIX_PATH_MAX_BYTES: Final = 107  # of sockaddr_un on Linux, less its NUL


def read_listen(value: Any) -> Listen:
    """Read `host:port`, `[v6]:port`, `unix:/path`, `systemd` or `systemd:NAME`.

    Raises ValueError that says what to write.
    """
    if not isinstance(value, str):
        raise ValueError(_LISTEN_ADVICE)  # noqa: TRY004 - pydantic's contract
    kind, colon, name = value.partition(":")
    if kind == "unix" and colon:
        return _unix(name)
    if kind == "systemd":
        if bool(colon) != bool(_HANDED.fullmatch(name)):
            raise ValueError("a socket of systemd's is named as its unit: systemd:dispatchd.socket")
        return Listen(handed=name)
    return _tcp(value)


def _unix(path: str) -> Listen:
    if not path.startswith("/"):
        raise ValueError("a unix socket needs an absolute path: unix:/run/dispatchd/hooks.sock")
    if len(path.encode()) > UNIX_PATH_MAX_BYTES:
        raise ValueError(f"a unix socket's path has at most {UNIX_PATH_MAX_BYTES} bytes")
    return Listen(path=path)


def _tcp(value: str) -> Listen:
    host, colon, port = value.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("an IPv6 address stands in brackets: [::1]:8080")
    if not (host and colon and port.isascii() and port.isdigit() and len(port) <= 5):  # noqa: PLR2004
        raise ValueError(_LISTEN_ADVICE)
    if int(port) > 65535:  # noqa: PLR2004 - the protocol's
        raise ValueError("a port is at most 65535")
    if not _HOST.fullmatch(host):
        raise ValueError(_LISTEN_ADVICE)
    return Listen(host, int(port))


def check_url(url: str) -> None:
    """Check a destination's URL. Raises ValueError; the message holds nothing of it."""
    if any(c.isspace() or not c.isprintable() for c in url):
        raise ValueError("is not a URL: it contains white space")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is not a URL: its host or port cannot be read") from None
    if "#" in url:
        raise ValueError("must not have a #fragment: it would never be sent")
    if parts.scheme == "http+unix":
        _check_unix_path(parts.netloc)
        return
    if parts.scheme not in ("http", "https"):
        raise ValueError("must begin with http://, https:// or http+unix://")
    if not parts.hostname or port == 0:
        raise ValueError("is not a URL: it names no host, or port 0")
    if not _good_host(parts.netloc, parts.hostname):
        raise ValueError("is not a URL: its host is neither a name nor an address")
    address = _address(parts.hostname)
    reason = refusal(address, allow_private=True) if address is not None else None
    if reason is not None:
        raise ValueError(f"{reason}, which is never connected to")


def check_proxy(url: str) -> None:
    """Check a proxy's URL. Raises ValueError; the message holds nothing of it."""
    try:
        parts = urlsplit(url)
        good = parts.scheme == "http" and parts.path in ("", "/") and not parts.query
    except ValueError:
        good = False
    if not good:
        raise ValueError('is no proxy; write http://host:port, http://user:password@host or "none"')
    check_url(url)


def _check_unix_path(netloc: str) -> None:
    path = unquote(netloc.rpartition("@")[2])
    if not path.startswith("/") or "\0" in path:
        raise ValueError(
            "must name a socket by its absolute path, with its slashes written as %2F:"
            " http+unix://%2Frun%2Fapp.sock/hook"
        )
    if len(path.encode()) > UNIX_PATH_MAX_BYTES:
        raise ValueError(f"a unix socket's path has at most {UNIX_PATH_MAX_BYTES} bytes")


def _address(host: str) -> str | None:
    try:
        return str(ip_address(host.replace("%25", "%")))
    except ValueError:
        return None


def private_address(url: str) -> bool:
    """Whether a URL that is good names a private address instead of a host."""
    address = _address(urlsplit(url).hostname or "")
    return address is not None and refusal(address, allow_private=False) is not None


def _good_host(netloc: str, host: str) -> bool:
    if netloc.rpartition("@")[2].startswith("["):
        try:
            return ip_address(host).version == 6  # noqa: PLR2004 - what the brackets mean
        except ValueError:
            return False
    try:
        labels = host.removesuffix(".").encode("idna").decode().split(".")
    except UnicodeError:
        return False
    return all(label and all(c.isalnum() or c in "-_" for c in label) for label in labels)


def safe_url(url: str) -> str:
    """Return what of a URL may be shown: scheme, host and port."""
    parts = urlsplit(url)
    if parts.scheme == "http+unix":
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")


NAME_MAX_CHARS: Final = 128
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110 section 5.6.2


def check_header_token(name: str) -> str:
    """Check that a header can have this name. Raises ValueError; it may be long or odd."""
    if not _TOKEN.fullmatch(name):
        raise ValueError("is no header name; use letters, digits and '-'")
    return name


def check_header_name(name: str) -> str:
    """Check the name of a destination's header. Raises ValueError."""
    check_header_token(name)
    if name.lower() in FRAMING:
        raise ValueError("is set by the connection itself and cannot be overridden; remove it")
    if name.lower() in PROXY:
        raise ValueError(
            "is a proxy's, not a destination's; write proxy: http://user:password@host"
        )
    return name


def check_header_value(value: str) -> None:
    """Check a header's value. Raises ValueError; the message holds nothing of it."""
    if not value.isprintable() or not value.isascii():
        raise ValueError(
            "has a character that cannot stand in a header; it must be one line of printable ASCII"
        )
    if value != value.strip():
        raise ValueError("must not begin or end with a space")


def check_slug(slug: str) -> str:
    """Check an endpoint's slug: names with slashes between them. Raises ValueError."""
    if "/" in slug and len(slug) <= NAME_MAX_CHARS:
        for segment in slug.split("/"):
            if not _NAME.fullmatch(segment):
                raise ValueError(
                    "is no slug; between its slashes stand names as in ci/deploy, beginning with"
                    " a letter or digit"
                )
        return slug
    return check_name(slug)


def check_name(name: str) -> str:
    """Check a slug or another name: it appears in URLs, logs, commands. Raises ValueError."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            "is no name; use letters, digits, '.', '_' and '-', beginning with a letter or digit"
        )
    return name
