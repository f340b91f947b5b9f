"""Reaching a destination as far as the TLS handshake, on the very way that deliveries take."""

import asyncio
import os
import ssl
from typing import Final

from dispatchd.doctor.certificates import Certificate, from_der
from dispatchd.frozen import frozen
from dispatchd.model import MailServer, Via
from dispatchd.send.classify import classify
from dispatchd.send.connect import Connector
from dispatchd.send.connection import Connection
from dispatchd.url import read_url

ALERT_S: Final = 0.3  # TLS 1.3 refuses our certificate only after the handshake
HANGS_UP: Final = (
    "it hangs up after the TLS handshake, as one does that wants a certificate of ours (tls.cert)"
)


@frozen
class Reached:
    """What came of it: `words` of the connection, or `error`, and the certificate shown."""

    words: str = ""
    error: str | None = None
    certificate: Certificate | None = None


class _Handshake(Connection):
    """A connection that is made, and never used."""

    __slots__ = ("lost", "transport")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.transport: asyncio.BaseTransport | None = None
        self.lost: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it, to ask it whom it leads to."""
        self.transport = transport
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits."""
        if not self.lost.done():
            self.lost.set_result(None)
        super().connection_lost(exc)


class Reacher:
    """Reaches destinations. Belongs to one event loop."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector

    async def over_http(self, url: str, via: Via, timeout_s: float) -> Reached:
        """Connect to where `url` leads, by `via`. Never raises; sends nothing after TLS."""
        loop = asyncio.get_running_loop()
        made: list[_Handshake] = []

        def factory() -> Connection:
            made.append(_Handshake(loop))
            return made[-1]

        try:
            origin = read_url(url).origin
            async with asyncio.timeout(timeout_s):
                connection = await self._connector.open(origin, via, factory)
                handshake = made[-1]
                try:
                    if origin.tls and await _hangs_up(handshake):
                        return Reached(error=HANGS_UP)
                    found = handshake.transport
                    return _of(found.get_extra_info("ssl_object") if found else None, via)
                finally:
                    connection.abort()
        except Exception as error:  # noqa: BLE001 - classified: a fault out there is a value here
            return Reached(error=_words(error, timeout_s))

    async def over_smtp(self, server: MailServer, timeout_s: float) -> Reached:
        """Connect to a mail server, up to TLS; nobody logs in. Never raises."""
        import aiosmtplib  # noqa: PLC0415 - for destinations of this type alone

        from dispatchd.send.smtp import classified  # noqa: PLC0415 - likewise
        from dispatchd.send.tls import make_context  # noqa: PLC0415 - likewise

        client = None
        try:
            context = None
            if server.security != "none":
                context = await asyncio.to_thread(make_context, server.via)
            client = aiosmtplib.SMTP(
                hostname=server.host,
                port=server.port,
                use_tls=server.security == "tls",
                start_tls=server.security == "starttls",
                tls_context=context,
                local_hostname="localhost",
                timeout=timeout_s,
            )
            async with asyncio.timeout(timeout_s):
                await client.connect()
            return _of(client.get_transport_info("ssl_object"), server.via)
        except Exception as error:  # noqa: BLE001 - likewise
            return Reached(error=classified(error, timeout_s)[1])
        finally:
            if client is not None:
                client.close()


async def _hangs_up(handshake: _Handshake) -> bool:
    """Whether the server's answer to the handshake is the end; asyncio does not tell the alert."""
    await asyncio.wait([handshake.lost], timeout=ALERT_S)
    return handshake.lost.done()


def _of(tls: ssl.SSLObject | None, via: Via) -> Reached:
    if tls is None:
        return Reached("connects, without TLS")
    der = tls.getpeercert(binary_form=True)
    certificate = None if der is None else from_der(der, "its certificate")
    unverified = "" if via.verify else ", not verified"
    return Reached(f"{tls.version()}{unverified}", None, certificate)


def _words(error: Exception, timeout_s: float) -> str:
    """Say what went wrong; the system's own word for it, where it has one."""
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) and error.errno:
        return os.strerror(error.errno)
    if isinstance(error, TimeoutError):
        return f"no connection within {timeout_s:g} s"
    return classify(error, timeout_s, None)[1]
