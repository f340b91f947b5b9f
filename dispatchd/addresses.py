"""Which addresses may be connected to. Pure.

Link-local addresses and those where clouds keep a machine's credentials are refused always. Where
a destination may not be private, whatever the IANA special-purpose registries (RFC 6890) do not
call globally reachable is refused too. An IPv4 address within an IPv6 one counts as both.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

_ALWAYS: Final = tuple(
    ip_network(text)
    for text in (
        "169.254.0.0/16",  # link-local: the metadata service of most clouds
        "fe80::/10",
        "100.100.100.200/32",  # Alibaba Cloud
        "168.63.129.16/32",  # Azure
        "192.0.0.192/32",  # Oracle Cloud
        "fd00:ec2::254/128",  # AWS
        "fd00:ec2::23/128",
        "fd20:ce::254/128",  # Google Cloud
        "fd00:42::42/128",  # Scaleway
    )
)
_PRIVATE: Final = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "2001::/23",  # Teredo, ORCHID and other protocol assignments
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",
    )
)
_GLOBAL: Final = ip_network("2000::/3")  # of IPv6, all that is global unicast
_NAT64: Final = ip_network("64:ff9b::/96")
_NAT64_LOCAL: Final = ip_network("64:ff9b:1::/48")  # RFC 8215
_MAPPED: Final = ip_network("::ffff:0:0/96")
_TRANSLATED: Final = ip_network("::ffff:0:0:0/96")  # RFC 7915's IPv4-translated
_COMPATIBLE: Final = ip_network("::/96")
_EMBEDDING: Final = (_NAT64, _NAT64_LOCAL, _MAPPED, _TRANSLATED, _COMPATIBLE)
_ISATAP: Final = 0x5EFE  # RFC 5214: the interface identifier, but for its "universal" bit
_LOW32: Final = 0xFFFFFFFF


def refusal(address: str, *, allow_private: bool) -> str | None:
    """Return why `address` (as `ipaddress` reads it, zone or not) is refused, None where not."""
    ip = ip_address(address)
    if isinstance(ip, IPv6Address):
        ip = IPv6Address(int(ip))  # without its zone
    meant = (ip, *_within(ip))
    if any(one in network for one in meant for network in _ALWAYS):
        return "is a link-local or metadata address"
    if allow_private:
        return None
    if isinstance(ip, IPv6Address) and ip not in _GLOBAL and ip not in _NAT64 and ip not in _MAPPED:
        return "is a private address"
    judged = meant[1:] if ip in _NAT64 or ip in _MAPPED else meant
    if any(one in network for one in judged for network in _PRIVATE):
        return "is a private address"
    return None


def _within(ip: IPv4Address | IPv6Address) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses that an IPv6 address may lead to."""
    if isinstance(ip, IPv4Address):
        return
    low = IPv4Address(int(ip) & _LOW32)
    if any(ip in network for network in _EMBEDDING):
        yield low
    if int(ip) >> 32 & 0xFDFFFFFF == _ISATAP:
        yield low
    if ip.sixtofour is not None:
        yield ip.sixtofour
    if ip.teredo is not None:
        yield from ip.teredo
