"""`dispatchd catch`: a small local receiver that prints what arrives."""

import asyncio
import hashlib
import logging
import os
import random
import signal
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from dispatchd.cli.options import parse_duration
from dispatchd.cli.text import (
    body_text,
    plural,
    pretty_json,
    to_json,
)
from dispatchd.clock import SystemClock
from dispatchd.errors import DispatchdError
from dispatchd.frozen import frozen
from dispatchd.shapes.spelling import bytes_field, iso
from dispatchd.strangers import printable

if TYPE_CHECKING:
    from aiohttp import web

KEPT_BYTES: Final = 10 * 1024 * 1024  # of one body; the rest is counted and hashed
SHOWN_CHARS: Final = 16 * 1024  # of one body on a terminal; --json holds what is kept
FAIL_STATUS: Final = 500
STOP_S: Final = 0.2  # for answers under way when it is told to stop


@frozen
class Manner:
    """How to answer: `status` at `fail_rate`, else 200; after `delay_s`."""

    fail_rate: float
    status: int
    delay_s: float


@frozen
class Caught:
    """One request that arrived and how it is answered."""

    number: int
    at_ms: int
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes  # its first KEPT_BYTES
    body_bytes: int
    sha256: str
    answered: int


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=9000, show_default=True, metavar="PORT",
    help="The port; 0 takes a free one.",
)  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True, metavar="HOST", help="The address.")
@click.option(
    "--fail", "fail_rate", type=click.FloatRange(0, 1), metavar="RATE",
    help="Fail this share of requests on purpose: 0.3.",
)  # fmt: skip
@click.option(
    "--status", type=click.IntRange(200, 599), metavar="CODE",
    help="Answer this; with --fail, only the failed ones (500 otherwise).",
)  # fmt: skip
@click.option(
    "--delay", "delay_ms", type=parse_duration, default="0s", show_default=True, metavar="TIME",
    help="Wait before answering: 500ms, 2s.",
)  # fmt: skip
@click.option("--seed", type=int, metavar="N", help="Fail the same requests in every run.")
@click.option("--quiet", is_flag=True, help="One line per request.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per request and line.")
def command(
    *,
    port: int,
    host: str,
    fail_rate: float | None,
    status: int | None,
    delay_ms: int,
    seed: int | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run a small local receiver that prints what arrives, and can fail on purpose.

    Every request, whatever its method and path, is printed and answered 200. It shows all
    headers, also those that hold credentials. Ctrl-C ends it.

    \b
    Example:
      dispatchd catch --port 9000
      dispatchd catch --fail 0.3 --status 503 --delay 500ms
    """  # noqa: D301 - click reads the backspace itself
    if quiet and as_json:
        raise click.UsageError("--quiet and --json exclude each other.")
    if fail_rate is None:
        fail_rate = 0.0 if status is None else 1.0
    manner = Manner(fail_rate, FAIL_STATUS if status is None else status, delay_ms / 1000)
    style = _json_line if as_json else _quiet_line if quiet else _full_text
    catcher = _Catcher(manner, random.Random(seed), style)  # noqa: S311 - failures, not secrets
    asyncio.run(catcher.run(host, port, sys.stderr if as_json else sys.stdout))


class _Catcher:
    """The receiver: reads, prints, answers."""

    def __init__(self, manner: Manner, rolls: random.Random, style: Any) -> None:
        self._manner = manner
        self._rolls = rolls
        self._style = style
        self._count = 0
        self._ended = asyncio.Event()

    async def run(self, host: str, port: int, announce_on: Any) -> None:
        """Catch until told to stop. Raises DispatchdError where it cannot listen."""
        from aiohttp import web  # noqa: PLC0415 - not for --help

        from dispatchd.listen import bind_tcp  # noqa: PLC0415 - likewise

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ended.set)
        # A sender's malformed request is for the sender to see, not a traceback for us.
        quiet = logging.getLogger("dispatchd.catch")
        quiet.setLevel(logging.CRITICAL + 1)
        server = web.Server(self._answer, access_log=None, logger=quiet)
        runner = web.ServerRunner(server, shutdown_timeout=STOP_S)
        await runner.setup()
        try:
            try:
                port = await bind_tcp(runner, host, port)
            except DispatchdError as error:
                raise DispatchdError(f"{error}; choose another with --port") from error
            shown_host = f"[{host}]" if ":" in host else host
            click.echo(f"catching on http://{shown_host}:{port}", file=announce_on)
            await self._ended.wait()
        finally:
            await runner.cleanup()

    async def _answer(self, request: "web.BaseRequest") -> "web.StreamResponse":
        from aiohttp import web  # noqa: PLC0415 - imported already

        body, body_bytes, sha256 = await _read(request)
        self._count += 1
        failing = self._rolls.random() < self._manner.fail_rate
        status = self._manner.status if failing else 200
        caught = Caught(
            self._count,
            SystemClock().now_ms(),
            request.method,
            request.path_qs,
            tuple(request.headers.items()),
            body,
            body_bytes,
            sha256,
            status,
        )
        try:
            click.echo(self._style(caught))  # flushes
        except OSError:  # whoever read our output has gone: there is nobody to catch for
            _silence_stdout()
            self._ended.set()
        if self._manner.delay_s:
            await asyncio.sleep(self._manner.delay_s)
        ok = 200 <= status < 300  # noqa: PLR2004 - HTTP's success
        return web.Response(status=status, text="ok\n" if ok else "failing on purpose\n")


async def _read(request: "web.BaseRequest") -> tuple[bytes, int, str]:
    """Read the body; return what is kept of it, its size and its hash."""
    kept = bytearray()
    size_bytes = 0
    digest = hashlib.sha256()
    async for chunk in request.content.iter_any():
        digest.update(chunk)
        size_bytes += len(chunk)
        kept += chunk[: KEPT_BYTES - len(kept)]
    return bytes(kept), size_bytes, digest.hexdigest()


def _silence_stdout() -> None:
    """Keep the interpreter's last flush from complaining about a closed pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _full_text(caught: Caught) -> str:
    return "\n".join(_lines(caught)) + "\n"


def _lines(caught: Caught) -> Iterator[str]:
    yield _quiet_line(caught)
    for name, value in caught.headers:
        yield f"  {printable(name)}: {printable(value)}"
    yield f"  {plural(caught.body_bytes, 'byte')}, sha256 {caught.sha256}"
    text = _shown_body(caught)
    if text:
        yield from ("  " + line for line in text.split("\n"))


def _shown_body(caught: Caught) -> str:
    try:
        pretty = pretty_json(caught.body.decode())
    except UnicodeDecodeError:
        pretty = None
    text = body_text(caught.body) if pretty is None else printable(pretty, lines=True)
    if len(text) <= SHOWN_CHARS:
        return text
    return f"{text[:SHOWN_CHARS]}\n… cut here; --json prints more"


def _quiet_line(caught: Caught) -> str:
    time = iso(caught.at_ms)[11:23]
    asked = printable(f"{caught.method} {caught.path}")
    return f"#{caught.number} {time} {asked} {caught.body_bytes} B -> {caught.answered}"


def _json_line(caught: Caught) -> str:
    fields = {
        "number": caught.number,
        "received": iso(caught.at_ms),
        "method": caught.method,
        "path": caught.path,
        "headers": [list(pair) for pair in caught.headers],
        "body_bytes": caught.body_bytes,
        "sha256": caught.sha256,
        **bytes_field("body", caught.body),
        "answered": caught.answered,
    }
    return to_json(fields, indent=False)
