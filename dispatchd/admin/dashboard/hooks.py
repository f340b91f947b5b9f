"""Where an endpoint takes webhooks, as far as that is known here. Pure."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

from aiohttp import web

_ANYWHERE: Final = frozenset({"0.0.0.0", "::", "[::]", ""})  # noqa: S104 - names are compared
_FALLBACK: Final = "localhost"


def hook_url(endpoint: Mapping[str, Any], request: web.Request) -> str:
    """Return an endpoint's URL: the public one, else where this machine listens."""
    if endpoint["url"]:
        return str(endpoint["url"])
    path = f"/hooks/{quote(endpoint['endpoint'])}"
    listen = str(endpoint["listen"])
    if socket_of(endpoint) is not None or listen.startswith("systemd"):
        return f"http://{_FALLBACK}{path}"
    host, _, port = listen.rpartition(":")
    if host in _ANYWHERE:
        host = _host(request)
    return f"http://{host}:{port}{path}"


def socket_of(endpoint: Mapping[str, Any]) -> str | None:
    """Return the unix socket that is listened on; None where it is none."""
    listen = str(endpoint["listen"])
    return listen.removeprefix("unix:") if listen.startswith("unix:") else None


def _host(request: web.Request) -> str:
    try:
        name = urlsplit(f"//{request.headers.get('Host', '')}").hostname or _FALLBACK
    except ValueError:
        return _FALLBACK
    return f"[{name}]" if ":" in name else name
