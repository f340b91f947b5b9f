"""Who is asking: the peer, or whom a trusted proxy names."""

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

HOPS_MAX: Final = 32  # believed; a longer way is somebody's invention
HOPS_MAX_CHARS: Final = 8192  # of all the lines that name them, the last ones

Networks = Sequence[IPv4Network | IPv6Network]
# RFC 7239. A quoted string stands behind a `=` and ends its pair: where one does not, what a
# client wrote has a quote open, and what a proxy appended stands inside it.
_QUOTED: Final = r'"(?:[^"\\]|\\.)*"'
_ELEMENT: Final = re.compile(rf'(?:[^,"]|(?<==){_QUOTED}(?=[ \t]*(?:[;,]|$)))*', re.DOTALL)
_PAIR: Final = re.compile(rf'(?:[^;"]|{_QUOTED})+', re.DOTALL)


def in_networks(address: str | None, networks: Networks) -> bool:
    """Whether `address` is in one of `networks`; an IPv4-mapped IPv6 address counts as IPv4."""
    try:
        ip = ip_address(address or "")
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return any(ip in network for network in networks)


@lru_cache(maxsize=4096)
def client_key(address: str) -> str:
    """Return whom an address counts as: of IPv6 the /64, which is what one client is given."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, IPv4Address):
        return address
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(IPv6Network((int(ip) >> 64 << 64, 64)))


class ClientIp:
    """Finds the client's address behind the trusted proxies.

    `unix` says that requests come over a unix socket: its peer, a proxy on this machine, is
    trusted where any proxy is.
    """

    def __init__(self, trusted: Networks, *, unix: bool) -> None:
        self._trusted = tuple(trusted)
        self._unix = unix
        self._is_trusted = lru_cache(maxsize=1024)(
            lambda address: in_networks(address, self._trusted)
        )

    @property
    def trusts(self) -> bool:
        """Whether any proxy is believed at all."""
        return bool(self._trusted)

    def find(
        self, peer: str | None, forwarded_for: Sequence[str], forwarded: Sequence[str] = ()
    ) -> str | None:
        """Return the client's address given the peer's and what the request says of others.

        X-Forwarded-For counts where there is one, else Forwarded (RFC 7239). Read from the right:
        each hop is believed only as long as the one that named it is trusted; the first untrusted
        or unreadable entry ends the search. Everything to its left is what the client itself
        could have written.
        """
        client = peer or None
        # A request may still come from where the listener was before a reload: ask its own peer.
        if not self._trusted or not ((self._unix and not peer) or self._is_trusted(peer)):
            return client
        if forwarded_for:
            hops = _x_forwarded_for(_last(forwarded_for))
        else:
            hops = _forwarded(_last(forwarded))
        for hop in hops[: -HOPS_MAX - 1 : -1]:
            address = _address(hop)
            if address is None:
                break
            client = address
            if not self._is_trusted(address):
                break
        return client


def _last(values: Sequence[str]) -> list[str]:
    """Return the last lines, as many as may be read."""
    left, kept = HOPS_MAX_CHARS, []
    for value in reversed(values):
        left -= len(value)
        if left < 0:
            break
        kept.append(value)
    kept.reverse()
    return kept


def _x_forwarded_for(values: Sequence[str]) -> list[str]:
    return [hop for value in values for hop in value.split(",")]


def _forwarded(values: Sequence[str]) -> list[str]:
    """Return the `for=` of each element, empty where it has none or more than one.

    A line that can be read in two ways names nobody, nor do those before it.
    """
    hops: list[str] = []
    for value in values:
        at = 0
        while match := _ELEMENT.match(value, at):
            hops.append(_for(match[0]))
            at = match.end() + 1
            if match.end() == len(value):
                break
            if value[match.end()] != ",":
                hops = [""]
                break
    return hops


def _for(element: str) -> str:
    pairs = [pair.partition("=") for pair in _PAIR.findall(element)]
    found = [value for name, _, value in pairs if name.strip().lower() == "for"]
    return found[0] if len(found) == 1 else ""


def _address(hop: str) -> str | None:
    """Read one hop: an address, perhaps with a port; None for `unknown` and other names."""
    text = hop.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:  # a zone is one of another machine's links, and any text
        return str(ip_address(text.partition("%")[0]))
    except ValueError:
        return None
