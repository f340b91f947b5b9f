"""Who is asking: the peer, or whom a trusted proxy names."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address


class ClientIp:
    """Finds the client's address behind the trusted proxies.

    `unix` says that requests come over a unix socket: its peer, a proxy on this machine, is
    trusted where any proxy is.
    """

    def __init__(self, trusted: Sequence[IPv4Network | IPv6Network], *, unix: bool) -> None:
        self._trusted = tuple(trusted)
        self._unix = unix

    @property
    def trusts(self) -> bool:
        """Whether any proxy is believed at all."""
        return bool(self._trusted)

    def find(self, peer: str | None, forwarded_for: Sequence[str]) -> str | None:
        """Return the client's address given the peer's and the X-Forwarded-For values.

        Read from the right: each hop is believed only as long as the one that named it is
        trusted; the first untrusted (or unreadable) entry ends the search. Everything to its
        left is what the client itself could have written.
        """
        if not (self._unix or self._is_trusted(peer)):
            return peer or None
        client = peer or None
        hops = [hop.strip() for value in forwarded_for for hop in value.split(",")]
        for hop in reversed(hops):
            address = _address(hop)
            if address is None:
                break
            client = address
            if not self._is_trusted(address):
                break
        return client

    def _is_trusted(self, address: str | None) -> bool:
        try:
            ip = ip_address(address or "")
        except ValueError:
            return False
        if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        return any(ip in network for network in self._trusted)


def _address(hop: str) -> str | None:
    """Read one X-Forwarded-For entry: an address, perhaps with a port."""
    text = hop.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return None
