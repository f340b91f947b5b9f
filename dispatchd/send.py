"""One HTTP request out, one Reply or Failure back. Never retries, never judges."""

import asyncio
import errno
import io
import ssl
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import aiohttp

from dispatchd.model import ErrorClass, Failure, Outcome, Reply, Request
from dispatchd.verify import is_secret_header

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy  # a dependency of aiohttp, needed by name only

HEAD_MAX_BYTES: Final = 2048  # of a response that are kept
DRAIN_MAX_BYTES: Final = 64 * 1024  # read beyond that only so that the connection can be reused
LARGE_BYTES: Final = 1024 * 1024
HEADERS_MAX_CHARS: Final = 4096  # of response headers that are kept
# Below the 5 s after which common servers drop an idle connection: a request that meets its
# server hanging up looks like a failed attempt.
KEEPALIVE_S: Final = 4.0

_BY_ERRNO: Final[Mapping[int | None, ErrorClass]] = {
    errno.ECONNREFUSED: ErrorClass.REFUSED,
    errno.ECONNRESET: ErrorClass.RESET,
    errno.EPIPE: ErrorClass.RESET,
    errno.ECONNABORTED: ErrorClass.RESET,
    errno.ETIMEDOUT: ErrorClass.TIMEOUT,
}


class Sender:
    """Sends requests over kept-alive connections. An async context manager."""

    async def __aenter__(self) -> Self:
        """Open the connection pool; each destination's own bound limits what it can take."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None),
            auto_decompress=False,  # a compressed reply must not unfold in our memory
            trust_env=False,
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close every connection."""
        await self._session.close()

    async def send(self, request: Request) -> Outcome:
        """Send `request` and read the answer, all within its `timeout_s`. Never raises."""
        started_s = time.perf_counter()
        status: int | None = None
        try:
            async with (
                asyncio.timeout(request.timeout_s),
                self._session.request(
                    request.method,
                    request.url,
                    data=_payload(request.body),
                    headers=request.headers,
                    allow_redirects=False,
                ) as response,
            ):
                status = response.status
                head = await _read_head(response)
                return Reply(
                    status,
                    _kept_headers(response.headers),
                    head,
                    _since_ms(started_s),
                    response.headers.get("Retry-After"),
                )
        except Exception as error:  # noqa: BLE001 - classified below; a fault out there is a value here
            kind, message = _classify(error, request.timeout_s)
            return Failure(kind, message, _since_ms(started_s), status)


def _payload(body: bytes) -> bytes | io.BytesIO:
    """Hand a large body over as a stream: written at once it would hold up the event loop."""
    return io.BytesIO(body) if len(body) > LARGE_BYTES else body


async def _read_head(response: aiohttp.ClientResponse) -> bytes:
    """Read the response to its end or to the bound; past that, hang up."""
    head = bytearray()
    seen_bytes = 0
    while chunk := await response.content.readany():
        if len(head) < HEAD_MAX_BYTES:
            head += chunk[: HEAD_MAX_BYTES - len(head)]
        seen_bytes += len(chunk)
        if seen_bytes > HEAD_MAX_BYTES + DRAIN_MAX_BYTES:
            response.close()
            break
    return bytes(head)


def _kept_headers(headers: "CIMultiDictProxy[str]") -> tuple[tuple[str, str], ...]:
    """Return the response headers worth keeping: no secrets, bounded."""
    kept: list[tuple[str, str]] = []
    chars = 0
    for name, value in headers.items():
        if is_secret_header(name):
            continue
        chars += len(name) + len(value)
        if chars > HEADERS_MAX_CHARS:
            break
        kept.append((name, value))
    return tuple(kept)


def _since_ms(started_s: float) -> float:
    return round((time.perf_counter() - started_s) * 1000, 3)


def _classify(error: Exception, timeout_s: float) -> tuple[ErrorClass, str]:
    """Name a fault. The message never carries the URL's path or query: they may hold a secret."""
    match error:
        case TimeoutError():
            return ErrorClass.TIMEOUT, f"no complete answer within {timeout_s:g} s"
        case aiohttp.ClientConnectorDNSError():
            return ErrorClass.DNS, f"cannot resolve {error.host}"
        case aiohttp.ClientSSLError() | ssl.SSLError():
            detail = getattr(error, "certificate_error", None) or getattr(error, "os_error", None)
            return ErrorClass.TLS, f"TLS failed: {detail or error}"
        case aiohttp.ClientPayloadError():
            return ErrorClass.RESET, "the connection closed before the response was complete"
        case aiohttp.ServerDisconnectedError():
            return ErrorClass.RESET, "the connection closed before a response came"
        case OSError():  # aiohttp's own connection errors among them
            kind = _BY_ERRNO.get(error.errno, ErrorClass.NETWORK)
            return kind, error.strerror or type(error).__name__
        case aiohttp.ClientError() | ValueError():
            return ErrorClass.PROTOCOL, "the answer was not valid HTTP"
        case _:
            return ErrorClass.INTERNAL, f"{type(error).__name__} while sending"
