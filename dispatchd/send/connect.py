"""Opening connections: a name's addresses, the first that answers, TLS where it is asked for."""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable
from typing import Final

import aiohappyeyeballs

from dispatchd.send.connection import Connection
from dispatchd.send.resolver import Addresses, Resolver
from dispatchd.url import Origin

# RFC 8305 section 5: how long one address may take before the next is tried beside it.
NEXT_ADDRESS_S: Final = 0.25
HANDSHAKE_MAX_S: Final = 3600.0  # the deadline of the exchange ends it sooner

AddrInfo = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int]]
Factory = Callable[[], Connection]


class Connector:
    """Opens connections. Belongs to one event loop."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._loop = asyncio.get_running_loop()
        self._tls: ssl.SSLContext | None = None

    async def open(self, origin: Origin, factory: Factory) -> Connection:
        """Connect to `origin`. Raises Unresolved, OSError (ssl.SSLError among them)."""
        tls = await self._tls_context() if origin.tls else None
        sock = await self._connected(origin.host, origin.port)
        return await self._wrap(sock, origin, tls, factory)

    async def _wrap(
        self, sock: socket.socket, origin: Origin, tls: ssl.SSLContext | None, factory: Factory
    ) -> Connection:
        try:
            if tls is None:
                _, connection = await self._loop.create_connection(factory, sock=sock)
            else:
                _, connection = await self._loop.create_connection(
                    factory,
                    sock=sock,
                    ssl=tls,
                    server_hostname=origin.host.rstrip("."),
                    ssl_handshake_timeout=HANDSHAKE_MAX_S,
                )
        except BaseException:
            sock.close()
            raise
        return connection

    async def _connected(self, host: str, port: int) -> socket.socket:
        addresses = await self._resolver.resolve(host)
        return await aiohappyeyeballs.start_connection(
            _addr_infos(addresses, port), happy_eyeballs_delay=NEXT_ADDRESS_S, loop=self._loop
        )

    async def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            # Reading the system's authorities takes tens of milliseconds.
            self._tls = await asyncio.to_thread(_default_tls)
        return self._tls


def _default_tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _addr_infos(addresses: Addresses, port: int) -> list[AddrInfo]:
    """Spell addresses as sockets take them (`socket.getaddrinfo` has the shape)."""
    found: list[AddrInfo] = []
    for text in addresses:
        ip = ipaddress.ip_address(text)
        if isinstance(ip, ipaddress.IPv6Address):
            plain, _, zone = text.partition("%")
            family, address = socket.AF_INET6, (plain, port, 0, _scope(zone))
            found.append((family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address))
        else:
            found.append((socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (text, port)))
    return found


def _scope(zone: str) -> int:
    if not zone:
        return 0
    return int(zone) if zone.isdigit() else socket.if_nametoindex(zone)
