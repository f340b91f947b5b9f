"""One mail by SMTP (RFC 5321): a connection for each, TLS as the config says and never less."""

import asyncio
import socket
import time
from contextlib import suppress
from typing import Final

import aiosmtplib

from dispatchd.model import ErrorClass, Failure, Mail, Outcome, Reply
from dispatchd.send.classify import classify
from dispatchd.send.tls import make_context

HEAD_MAX_BYTES: Final = 2048
OK: Final = 250
GOODBYE_S: Final = 2.0  # for the answer to QUIT, which not every server gives


async def send(mail: Mail) -> Outcome:
    """Send a mail; the status is SMTP's. Never raises.

    It is sent when the server took it for one of the recipients; the answer names the others.
    """
    started_s = time.perf_counter()
    try:
        async with asyncio.timeout(mail.timeout_s):
            client = await _client(mail)
            status, text = await _answered(client, mail)
    except Exception as error:  # noqa: BLE001 - classified: a fault out there is a value here
        kind, message = classified(error, mail.timeout_s)
        return Failure(kind, message, _since_ms(started_s))
    head = text.encode("utf-8", "replace")[:HEAD_MAX_BYTES]
    reply = Reply(status, (), head, _since_ms(started_s))
    await _part(client)
    return reply


async def _client(mail: Mail) -> aiosmtplib.SMTP:
    server = mail.server
    context = None
    if server.security != "none":
        context = await asyncio.to_thread(make_context, server.via)
    return aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        use_tls=server.security == "tls",
        # None would take TLS where it is offered, and do without where somebody hides the offer.
        start_tls=server.security == "starttls",
        tls_context=context,
        local_hostname=socket.gethostname() or "localhost",  # else it would ask DNS
        timeout=mail.timeout_s,
        username=server.user,
        password=server.password,
    )


async def _answered(client: aiosmtplib.SMTP, mail: Mail) -> tuple[int, str]:
    """Return what the server said to a mail; anything else is raised, and the end."""
    try:
        await client.connect()
        refused, text = await client.sendmail(mail.sender, mail.recipients, mail.content)
    except aiosmtplib.SMTPRecipientsRefused as error:
        each = "; ".join(f"{r.recipient}: {r.message}" for r in error.recipients)
        return error.recipients[0].code, each
    except aiosmtplib.SMTPResponseException as error:
        return error.code, error.message
    except BaseException:
        client.close()
        raise
    others = "".join(f"; not to {to}: {why.code} {why.message}" for to, why in refused.items())
    return OK, f"{text}{others}"


async def _part(client: aiosmtplib.SMTP) -> None:
    """Say goodbye. What came of the mail is known: nothing that happens now may lose it."""
    with suppress(Exception, asyncio.CancelledError):
        await client.quit(timeout=GOODBYE_S)
    client.close()


def classified(error: Exception, timeout_s: float) -> tuple[ErrorClass, str]:
    """Name a fault; what the library wrapped is what tells."""
    if isinstance(error, (TimeoutError, aiosmtplib.SMTPTimeoutError)):
        return ErrorClass.TIMEOUT, f"no complete answer within {timeout_s:g} s"
    cause = error
    while isinstance(cause, aiosmtplib.SMTPException) and isinstance(cause.__cause__, Exception):
        cause = cause.__cause__
    if isinstance(cause, socket.gaierror):
        return ErrorClass.DNS, f"cannot resolve the server's name: {cause.strerror}"
    if isinstance(cause, aiosmtplib.SMTPServerDisconnected):
        return ErrorClass.RESET, "the server closed the connection"
    if isinstance(cause, aiosmtplib.SMTPException):
        # Its words are the library's own: no STARTTLS or no AUTH on offer, for instance.
        return ErrorClass.PROTOCOL, f"SMTP failed: {cause}"
    return classify(cause, timeout_s, None)


def _since_ms(started_s: float) -> float:
    return round((time.perf_counter() - started_s) * 1000, 3)
