"""Providers' certificates: fetched once, kept for a day, never more often than that asked for.

A sender chooses the name behind the pinned host, so fetches are bounded in number, size and
time, and failures are remembered too. Made-up names wait in one line, and those that were good
before need not stand in it.
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
FETCHES_AT_ONCE: Final = 2  # of names that were never good
WAITING_MAX: Final = 32  # in line for those; they are answered in a second or two
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
        self._fetching: dict[str, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(FETCHES_AT_ONCE)
        self._context: ssl.SSLContext | None = None
        self._roots: bytes | None = None

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

    async def ensure(self, url: str) -> bool:
        """Fetch `url`, already pinned to its provider, unless it is at hand or failed lately.

        Returns whether it is at hand now; never raises. Whoever asks for what is being fetched
        waits for that.
        """
        if self.get(url) is not None:
            return True
        if self._failed.get(url, 0.0) > self._monotonic_s():
            return False
        task = self._fetching.get(url)
        if task is None:
            if len(self._fetching) >= WAITING_MAX and url not in self._kept:
                return False
            task = self._fetching[url] = asyncio.create_task(self._keep(url), name="certificate")
        await asyncio.shield(task)  # one asker who goes away takes it from no other
        return self.get(url) is not None

    async def close(self) -> None:
        """Give up what is being fetched."""
        tasks = list(self._fetching.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, url: str) -> None:
        try:
            old = self._kept.get(url)
            if old is not None:
                pem = await self._fetch(url)
            else:
                async with self._places:
                    pem = await self._fetch(url)
            now_s = self._monotonic_s()
            if pem is not None:
                self._kept[url] = (now_s + KEPT_S, pem)
            elif old is not None:  # its own dates say whether it is still good, and are checked
                self._kept[url] = (now_s + FAILED_S, old[1])
            else:
                self._failed[url] = now_s + FAILED_S
            for bounded in (self._kept, self._failed):
                while len(bounded) > KEPT_MAX:
                    bounded.popitem(last=False)
        finally:
            del self._fetching[url]

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
