"""TLS contexts, one for each set of certificate files, read anew when a file has changed."""

import asyncio
import os
import ssl

from dispatchd.model import Via
from dispatchd.send.classify import FilesUnusable

_Files = tuple[str | None, str | None, str | None, bool]
_Stamps = tuple[tuple[int, int, int], ...]


class TlsContexts:
    """Makes contexts when they are first asked for: each holds the system's authorities."""

    def __init__(self) -> None:
        self._made: dict[_Files, tuple[_Stamps, asyncio.Future[ssl.SSLContext]]] = {}

    async def of(self, via: Via) -> ssl.SSLContext:
        """Return the context for `via`. Raises FilesUnusable."""
        files = (via.ca, via.cert, via.key, via.verify)
        try:
            stamps = tuple(_stamp(file) for file in files[:3] if file is not None)
            made = self._made.get(files)
            if made is None or made[0] != stamps or _failed(made[1]):
                # Reading the system's authorities takes tens of milliseconds: off the loop, and
                # once for all who wait, of whom any may give up.
                making = asyncio.get_running_loop().run_in_executor(None, _make_http, via)
                made = self._made[files] = (stamps, making)
            return made[1].result() if made[1].done() else await asyncio.shield(made[1])
        except OSError as error:  # ssl.SSLError is one
            raise FilesUnusable(error.strerror or type(error).__name__) from None


def _failed(making: asyncio.Future[ssl.SSLContext]) -> bool:
    return making.done() and (making.cancelled() or making.exception() is not None)


def _stamp(file: str) -> tuple[int, int, int]:
    found = os.stat(file)  # noqa: PTH116 - a few microseconds, on each new connection
    return found.st_mtime_ns, found.st_size, found.st_ino


def make_context(via: Via) -> ssl.SSLContext:
    """Read the files of `via`; takes tens of milliseconds. Raises OSError."""
    context = ssl.create_default_context(cafile=via.ca)
    if not via.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if via.cert is not None:
        context.load_cert_chain(via.cert, via.key, password=lambda: b"")  # never ask a terminal
    return context


def _make_http(via: Via) -> ssl.SSLContext:
    context = make_context(via)
    context.set_alpn_protocols(["http/1.1"])
    return context
