"""Providers' certificates: fetched once, kept for a day, never more often than that asked for.

A sender chooses the name behind the pinned host, so fetches are bounded in number, size and
time, and failures are remembered too.
"""

import asyncio
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Final

import aiohttp

KEPT_MAX: Final = 64
KEPT_S: Final = 86_400.0
FAILED_S: Final = 60.0
FETCH_TIMEOUT_S: Final = 5.0
FETCHES_AT_ONCE: Final = 2
CERTIFICATE_MAX_BYTES: Final = 64 * 1024


class FetchedCertificates:
    """Certificates by URL. `ensure` fetches, `get` only looks.

    `cafile` holds the roots that are trusted; by default the system's.
    """

    def __init__(
        self, *, cafile: str | None = None, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._cafile = cafile
        self._monotonic_s = monotonic_s
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._failed: OrderedDict[str, float] = OrderedDict()  # apart: made-up names displace none
        self._fetches = asyncio.Semaphore(FETCHES_AT_ONCE)
        self._roots: bytes | None = None
        self._context: ssl.SSLContext | None = None

    def get(self, url: str) -> bytes | None:
        """Return the PEM bundle behind `url`, or None when it is not at hand."""
        until_s, pem = self._kept.get(url, (0.0, b""))
        return pem if until_s > self._monotonic_s() else None

    def roots(self) -> bytes:
        """Return the trusted roots as PEM; read once."""
        if self._roots is None:
            path = self._cafile or ssl.get_default_verify_paths().cafile
            try:
                self._roots = Path(path).read_bytes() if path else b""
            except OSError:
                self._roots = b""
        return self._roots

    async def ensure(self, url: str) -> None:
        """Fetch `url`, already pinned to its provider, unless it was tried lately. Never raises."""
        if self._known(url) or self._fetches.locked():
            return  # under a flood of made-up names, the sender's retry will find a place
        async with self._fetches:
            if self._known(url):
                return
            pem = await self._fetch(url)
            now_s = self._monotonic_s()
            if pem is None:
                self._failed[url] = now_s + FAILED_S
            else:
                self._kept[url] = (now_s + KEPT_S, pem)
            for bounded in (self._kept, self._failed):
                while len(bounded) > KEPT_MAX:
                    bounded.popitem(last=False)

    def _known(self, url: str) -> bool:
        now_s = self._monotonic_s()
        return self.get(url) is not None or self._failed.get(url, 0.0) > now_s

    async def _fetch(self, url: str) -> bytes | None:
        try:
            async with asyncio.timeout(FETCH_TIMEOUT_S):
                if self._context is None:
                    # Reading the roots takes tens of milliseconds; senders cause it.
                    self._context = await asyncio.to_thread(
                        ssl.create_default_context, cafile=self._cafile
                    )
                async with (
                    aiohttp.ClientSession(trust_env=False) as session,
                    session.get(url, allow_redirects=False, ssl=self._context) as response,
                ):
                    if response.status != 200:  # noqa: PLR2004 - anything else is no certificate
                        return None
                    pem = await _whole(response.content)
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None
        return pem if pem is not None and b"-----BEGIN CERTIFICATE-----" in pem else None


async def _whole(body: aiohttp.StreamReader) -> bytes | None:
    """Read a body to its end; None where it is too large. A `read` alone may return a part."""
    pem = b""
    while part := await body.read(CERTIFICATE_MAX_BYTES + 1 - len(pem)):
        pem += part
    return pem if len(pem) <= CERTIFICATE_MAX_BYTES else None
