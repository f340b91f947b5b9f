"""Tricky addresses, as the public lists of proxies and webhook senders have them."""

import pytest

from dispatchd.addresses import refusal

METADATA = [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.0.1",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "fe80::1",
    "fe80::1%eth0",
    "febf::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "::169.254.169.254",  # IPv4-compatible
    "::ffff:0:169.254.169.254",  # IPv4-translated
    "64:ff9b::169.254.169.254",  # NAT64
    "64:ff9b:1::169.254.169.254",  # NAT64 of one's own network
    "2002:a9fe:a9fe::1",  # 6to4
    "2001:0:a9fe:a9fe::1",  # Teredo's server
    "2001:0:808:808:0:0:5601:5601",  # Teredo's client, inverted
    "2001:db8::5efe:169.254.169.254",  # ISATAP
    "2001:db8::200:5efe:169.254.169.254",
]
PRIVATE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::",  # 6to4 of a public one: deprecated, and nobody's on purpose
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456:789a::1",
    "fec0::1",
    "ff02::1",
]
PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "172.15.255.255",
    "172.32.0.1",
    "192.169.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "169.253.255.255",
    "2606:4700::1111",
    "2a00:1450::1",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",  # how a network without IPv4 reaches it
]


@pytest.mark.parametrize("address", METADATA)
def test_metadata_is_refused_always(address):
    for allow_private in (True, False):
        reason = refusal(address, allow_private=allow_private)
        assert reason == "is a link-local or metadata address"


@pytest.mark.parametrize("address", PRIVATE)
def test_private_is_refused_where_it_is_not_allowed(address):
    assert refusal(address, allow_private=True) is None
    assert refusal(address, allow_private=False) == "is a private address"


@pytest.mark.parametrize("address", PUBLIC)
def test_public_is_never_refused(address):
    assert refusal(address, allow_private=True) is None
    assert refusal(address, allow_private=False) is None
