"""Opening connections: straight, through a proxy, or to a unix socket; TLS where it is asked for.

What an address is, is judged here and nowhere else, on the very address that is connected to: a
name that changes its mind between a check and a connection gains nothing.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable
from typing import Final

import aiohappyeyeballs

from dispatchd.addresses import refusal
from dispatchd.model import Via
from dispatchd.send.answer import Answer
from dispatchd.send.classify import Blocked, ProxyRefused
from dispatchd.send.connection import Connection
from dispatchd.send.resolver import Addresses, Resolver, literal
from dispatchd.send.tls import TlsContexts
from dispatchd.url import Origin, Url, read_url

# RFC 8305 section 5: how long one address may take before the next is tried beside it.
NEXT_ADDRESS_S: Final = 0.25
FOREVER_S: Final = 2 * 3600.0  # the deadline of the exchange ends everything sooner
_SUCCESS: Final = range(200, 300)

AddrInfo = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int]]
Factory = Callable[[], Connection]


class Connector:
    """Opens connections. Belongs to one event loop; the caller bounds the time by cancelling."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._loop = asyncio.get_running_loop()
        self._contexts = TlsContexts()

    async def open(self, origin: Origin, via: Via, factory: Factory) -> Connection:
        """Connect to `origin` as `via` says.

        Raises Unresolved, Blocked, ProxyRefused, FilesUnusable, BadAnswer, OSError.
        """
        if origin.unix_path is not None:
            _, connection = await self._loop.create_unix_connection(factory, origin.unix_path)
            return connection
        tls = await self._contexts.of(via) if origin.tls else None
        if via.proxy is not None:
            return await self._through(read_url(via.proxy), origin, via, tls, factory)
        addresses = _allowed(origin.host, await self._resolver.resolve(origin.host), via)
        sock = await self._connected(addresses, origin.port)
        return await self._made(sock, origin, tls, factory)

    async def _through(
        self, proxy: Url, origin: Origin, via: Via, tls: ssl.SSLContext | None, factory: Factory
    ) -> Connection:
        """Connect to a proxy, and for TLS through it (RFC 9110 section 9.3.6)."""
        address = literal(origin.host)
        if address is not None:  # a name is the proxy's to resolve, and to refuse
            _allowed(origin.host, (address,), via)
        addresses = await self._resolver.resolve(proxy.origin.host)
        sock = await self._connected(addresses, proxy.origin.port)
        if tls is None:
            return await self._made(sock, proxy.origin, None, factory)
        transport = await self._tunnel(sock, origin, proxy)
        connection = factory()
        try:
            wrapped = await self._loop.start_tls(
                transport,
                connection,
                tls,
                server_hostname=origin.host.rstrip("."),
                ssl_handshake_timeout=FOREVER_S,
            )
        except BaseException:
            transport.abort()
            raise
        if wrapped is None:  # the transport was closing
            raise ConnectionResetError
        connection.connection_made(wrapped)
        return connection

    async def _tunnel(self, sock: socket.socket, origin: Origin, proxy: Url) -> asyncio.Transport:
        """Ask a proxy for a tunnel to `origin`; nothing has come through it yet."""
        tunnel = await self._made(
            sock, proxy.origin, None, lambda: Connection(self._loop, _stay_open)
        )
        answer = Answer(tunnel=True)
        deadline_s = self._loop.time() + FOREVER_S
        await tunnel.exchange(_connect_request(origin, proxy), b"", answer, deadline_s)
        if answer.status in _SUCCESS and answer.reusable:
            return tunnel.detach()
        tunnel.abort()
        raise ProxyRefused(str(answer.status))

    async def _made(
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
                    ssl_handshake_timeout=FOREVER_S,
                )
        except BaseException:
            sock.close()
            raise
        return connection

    async def _connected(self, addresses: Addresses, port: int) -> socket.socket:
        return await aiohappyeyeballs.start_connection(
            _addr_infos(addresses, port), happy_eyeballs_delay=NEXT_ADDRESS_S, loop=self._loop
        )


def _stay_open(_connection: Connection) -> None:
    """Keep a tunnel: TLS comes next."""


def _allowed(host: str, addresses: Addresses, via: Via) -> Addresses:
    """Return the addresses that may be connected to. Raises Blocked where there is none."""
    why = {address: refusal(address, allow_private=via.allow_private) for address in addresses}
    allowed = tuple(address for address, reason in why.items() if reason is None)
    if not allowed:
        address, reason = next(iter(why.items()))
        shown = host if host == address else f"{host} ({address})"
        raise Blocked(f"{shown} {reason}")
    return allowed


def _connect_request(origin: Origin, proxy: Url) -> bytes:
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    at = f"{host}:{origin.port}"
    head = f"CONNECT {at} HTTP/1.1\r\nHost: {at}\r\n"
    if proxy.authorization is not None:
        head += f"Proxy-Authorization: {proxy.authorization}\r\n"
    return f"{head}\r\n".encode()


def _addr_infos(addresses: Addresses, port: int) -> list[AddrInfo]:
    """Spell addresses as sockets take them (`socket.getaddrinfo` has the shape)."""
    found: list[AddrInfo] = []
    for text in addresses:
        ip = ipaddress.ip_address(text)
        if isinstance(ip, ipaddress.IPv6Address):
            plain, _, zone = text.partition("%")
            address = (plain, port, 0, _scope(zone))
            found.append((socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address))
        else:
            found.append((socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (text, port)))
    return found


def _scope(zone: str) -> int:
    if not zone:
        return 0
    return int(zone) if zone.isdigit() else socket.if_nametoindex(zone)
