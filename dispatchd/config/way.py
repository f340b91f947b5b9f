"""Where an alert comes by: its destination, and what that leads to when it is dispatchd itself."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Final
from urllib.parse import unquote

from dispatchd.frozen import frozen
from dispatchd.model import Listen
from dispatchd.url import Origin, read_url

HOOKS: Final = "/hooks/"


@frozen
class Way:
    """The destinations that a message comes by, and the slugs it is received at on its way."""

    destinations: frozenset[str]
    slugs: frozenset[str]


def way_to(
    to: str,
    urls: Mapping[str, str],
    links: Mapping[str, Sequence[str]],
    listen: Listen | None,
    public_url: str | None,
) -> Way:
    """Follow a message to the destination `to`.

    Where a destination's URL is one of our own endpoints, the message goes on to what that is
    linked to. `urls` are by destination, `links` by slug; what cannot be read leads nowhere.
    """
    destinations: set[str] = set()
    slugs: set[str] = set()
    ahead = [to]
    while ahead:
        name = ahead.pop()
        if name in destinations:
            continue
        destinations.add(name)
        slug = _own_slug(urls.get(name, ""), listen, public_url)
        if slug in links:
            slugs.add(slug)
            ahead += links[slug]
    return Way(frozenset(destinations), frozenset(slugs))


def _own_slug(url: str, listen: Listen | None, public_url: str | None) -> str:
    """Return at which of our endpoints a URL arrives, empty where it goes elsewhere."""
    try:
        read = read_url(url)
        public = None if public_url is None else read_url(public_url)
    except ValueError:
        return ""
    path = read.target.partition("?")[0]
    prefixes = []
    if _ours(read.origin, listen):
        prefixes.append(HOOKS)
    if public is not None and public.origin == read.origin:
        prefixes.append(public.target.rstrip("/") + HOOKS)
    for prefix in prefixes:
        if path.startswith(prefix):
            return unquote(path.removeprefix(prefix))
    return ""


def _ours(origin: Origin, listen: Listen | None) -> bool:
    if listen is None or listen.handed is not None:
        return False
    if listen.path is not None or origin.unix_path is not None:
        return listen.path == origin.unix_path
    if origin.port != listen.port:
        return False
    return origin.host == listen.host or _loopback(origin.host)


def _loopback(host: str) -> bool:
    """Whether a connection to `host` stays here; to no address at all (0.0.0.0) it does too."""
    try:
        address = ip_address(host)
    except ValueError:
        return f".{host.removesuffix('.')}".endswith(".localhost")  # RFC 6761 section 6.3
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified
