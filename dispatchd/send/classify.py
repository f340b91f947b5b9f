"""What went wrong with an exchange, by its fixed class, in words that hold no secret."""

import errno
import ssl
from collections.abc import Mapping
from typing import Final

from dispatchd.model import ErrorClass
from dispatchd.send.answer import BadAnswer
from dispatchd.send.connection import HungUp

_BY_ERRNO: Final[Mapping[int | None, ErrorClass]] = {
    errno.ECONNREFUSED: ErrorClass.REFUSED,
    errno.ECONNRESET: ErrorClass.RESET,
    errno.EPIPE: ErrorClass.RESET,
    errno.ECONNABORTED: ErrorClass.RESET,
    errno.ETIMEDOUT: ErrorClass.TIMEOUT,
}


class Unreached(Exception):  # noqa: N818 - its kinds say why
    """No connection came about, for a reason of its own; the text goes on where `words` end."""

    kind: ErrorClass
    words: str


class Unresolved(Unreached):
    """A host name that leads to no address; the text is the name and why."""

    kind = ErrorClass.DNS
    words = "cannot resolve"


class Blocked(Unreached):
    """An address that may not be connected to; the text is the host and why."""

    kind = ErrorClass.BLOCKED
    words = "refused to connect:"


class ProxyRefused(Unreached):
    """The proxy opened no tunnel; the text is its answer's status."""

    kind = ErrorClass.NETWORK
    words = "the proxy opened no tunnel: it answered"


class FilesUnusable(Unreached):
    """The certificate files of a destination cannot be used; the text says why."""

    kind = ErrorClass.TLS
    words = "TLS failed: its files cannot be used:"


def classify(error: Exception, timeout_s: float, status: int | None) -> tuple[ErrorClass, str]:
    """Name a fault. The message never carries the URL's path or query: they may hold a secret."""
    match error:
        case Unreached():
            return error.kind, f"{error.words} {error}"
        case ssl.SSLCertVerificationError():
            return ErrorClass.TLS, f"TLS failed: the certificate is refused: {error.verify_message}"
        case ssl.SSLError():
            return ErrorClass.TLS, f"TLS failed: {error.reason or type(error).__name__}"
        case ssl.CertificateError():
            return ErrorClass.TLS, "TLS failed: the certificate is refused"
        case TimeoutError() if error.errno is None:
            return ErrorClass.TIMEOUT, f"no complete answer within {timeout_s:g} s"
        case HungUp():
            when = "a response came" if status is None else "the response was complete"
            return ErrorClass.RESET, f"the connection closed before {when}"
        case BadAnswer():
            return ErrorClass.PROTOCOL, str(error)
        case OSError():
            by_type = ErrorClass.RESET if isinstance(error, ConnectionError) else ErrorClass.NETWORK
            kind = _BY_ERRNO.get(error.errno, by_type)
            return kind, error.strerror or f"the connection failed ({type(error).__name__})"
        case _:
            return ErrorClass.INTERNAL, f"{type(error).__name__} while sending"
