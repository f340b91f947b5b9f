"""Pinned documents (certificates, key sets): fetched once, kept, never asked for too often.

Strangers cause fetches, so these are bounded in number, size, time and rate, and failures are
remembered too. Names that a sender made up wait in one line, and those that were good before
need not stand in it.
"""

import asyncio
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from dispatchd.verify import Pinned, PinnedKind

KEPT_MAX: Final = 256
AGAIN_S: Final = 60.0  # one URL is asked no more often, whatever came of it
FETCH_TIMEOUT_S: Final = 5.0
FETCHES_AT_ONCE: Final = 2  # of names that were never good
WAITING_MAX: Final = 32  # in line for those; they are answered in a second or two
DOCUMENT_MAX_BYTES: Final = 64 * 1024


@dataclass(slots=True)
class _Kept:
    """A document that was good; `failing` says that it could not be had when last tried."""

    document: bytes
    kind: PinnedKind
    got_s: float
    tried_s: float
    failing: bool = False


class PinnedDocuments:
    """Documents by URL. `ensure` fetches, `get` only looks.

    `cafile` holds the roots that are trusted; by default the system's.
    """

    def __init__(
        self, *, cafile: str | None = None, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._cafile = cafile
        self._monotonic_s = monotonic_s
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._failed: OrderedDict[str, float] = OrderedDict()  # apart: made-up names displace none
        self._visited: OrderedDict[str, None] = OrderedDict()
        self._fetching: dict[str, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(FETCHES_AT_ONCE)
        self._context: ssl.SSLContext | None = None
        self._roots: bytes | None = None

    def get(self, url: str) -> bytes | None:
        """Return what is behind `url`, or None when it is not at hand."""
        kept = self._kept.get(url)
        if kept is None or self._monotonic_s() - kept.got_s >= kept.kind.stale_s:
            return None
        return kept.document

    def roots(self) -> bytes:
        """Return the trusted roots as PEM; read once."""
        if self._roots is None:
            path = self._cafile or ssl.get_default_verify_paths().cafile
            try:
                self._roots = Path(path).read_bytes() if path else b""
            except OSError:
                self._roots = b""
        return self._roots

    async def ensure(self, pinned: Pinned) -> bool:
        """Fetch a document, unless it is at hand or was tried lately.

        Returns whether it is at hand now, and where it is wanted anew, whether it is the newest
        that we can ask for; never raises. Whoever asks for what is being fetched waits for that.
        """
        url, now_s = pinned.url, self._monotonic_s()
        kept = self._kept.get(url)
        if self.get(url) is None or kept is None:
            tried_s = self._failed.get(url, float("-inf")) if kept is None else kept.tried_s
            await self._ask(pinned, tried_s, now_s)
            return self.get(url) is not None
        if pinned.anew:
            await self._ask(pinned, kept.tried_s, now_s)
            return not self._kept[url].failing if url in self._kept else False
        age_s = now_s - kept.got_s
        if age_s >= pinned.kind.fresh_s:
            # The old one serves while a fresh one is fetched, but who was away for long waits.
            wait = age_s >= 2 * pinned.kind.fresh_s and not kept.failing
            await self._ask(pinned, kept.tried_s, now_s, wait=wait)
        return True

    async def visit(self, url: str) -> bool:
        """Fetch `url`, already pinned, for what that does there; at most once. Never raises.

        Returns whether it was answered 200, now or before.
        """
        if url in self._visited:
            return True
        if await self._fetch(url) is None:
            return False
        self._visited[url] = None
        _bound(self._visited)
        return True

    async def close(self) -> None:
        """Give up what is being fetched."""
        tasks = list(self._fetching.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(
        self, pinned: Pinned, tried_s: float, now_s: float, *, wait: bool = True
    ) -> None:
        url = pinned.url
        task = self._fetching.get(url)
        if task is None:
            if now_s - tried_s < AGAIN_S:
                return
            in_line = pinned.kind.named_by_sender and url not in self._kept
            if in_line and len(self._fetching) >= WAITING_MAX:
                return
            task = asyncio.create_task(self._keep(pinned), name=pinned.kind.name)
            self._fetching[url] = task
        if wait:
            await asyncio.shield(task)  # one asker who goes away takes it from no other

    async def _keep(self, pinned: Pinned) -> None:
        url, kind = pinned.url, pinned.kind
        try:
            old = self._kept.get(url)
            if old is not None or not kind.named_by_sender:
                document = await self._fetch(url)
            else:
                async with self._places:
                    document = await self._fetch(url)
            now_s = self._monotonic_s()
            if document is not None and kind.is_one(document):
                self._kept[url] = _Kept(document, kind, now_s, now_s)
            elif old is not None:
                old.tried_s, old.failing = now_s, True
            else:
                self._failed[url] = now_s
            _bound(self._kept)
            _bound(self._failed)
        finally:
            del self._fetching[url]

    async def _fetch(self, url: str) -> bytes | None:
        """Return what a GET of `url` is answered with; None for anything but a whole 200."""
        try:
            async with asyncio.timeout(FETCH_TIMEOUT_S):
                if self._context is None:
                    # Reading the roots takes tens of milliseconds; senders cause it.
                    self._context = await asyncio.to_thread(
                        ssl.create_default_context, cafile=self._cafile
                    )
                async with (
                    aiohttp.ClientSession(trust_env=False, auto_decompress=False) as session,
                    session.get(
                        url,
                        allow_redirects=False,
                        ssl=self._context,
                        headers={"Accept-Encoding": "identity"},  # nothing grows when unpacked
                    ) as response,
                ):
                    if response.status != 200:  # noqa: PLR2004 - anything else is no document
                        return None
                    return await _whole(response.content)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return None


def _bound(
    bounded: OrderedDict[str, _Kept] | OrderedDict[str, float] | OrderedDict[str, None],
) -> None:
    while len(bounded) > KEPT_MAX:
        bounded.popitem(last=False)


async def _whole(body: aiohttp.StreamReader) -> bytes | None:
    """Read a body to its end; None where it is too large. A `read` alone may return a part."""
    document = b""
    while part := await body.read(DOCUMENT_MAX_BYTES + 1 - len(document)):
        document += part
    return document if len(document) <= DOCUMENT_MAX_BYTES else None
