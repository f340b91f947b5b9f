"""How far a long write has come: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import AsyncIterator
from typing import Final

import click

from dispatchd.cli.text import plural
from dispatchd.errors import DispatchdError

LINE_EVERY_S: Final = 5.0  # a log or a cron mail wants a sign of life, not a line per batch
DRAW_EVERY_S: Final = 0.1  # no eye follows more
WIDTH: Final = 30  # of the bar
CLEAR: Final = "\r\x1b[K"


async def counted(batches: AsyncIterator[int], did: str, noun: str, total: int | None) -> int:
    """Drain `batches` and return their sum; tell the way on standard error.

    A failure halfway says how much stays done. `did` is `replayed`, `noun` `delivery`.
    """
    done = 0
    on_terminal = sys.stderr.isatty()
    every_s = DRAW_EVERY_S if on_terminal else LINE_EVERY_S
    told_s = 0.0 if on_terminal else time.monotonic()  # a bar is drawn at once
    drawn = False
    try:
        async for count in batches:
            done += count
            if time.monotonic() - told_s >= every_s:
                told_s = time.monotonic()
                drawn = on_terminal
                said = f"{did} {plural(done, noun)} so far"
                click.echo(
                    CLEAR + _bar(done, total) + said if drawn else said, err=True, nl=not drawn
                )
    except DispatchdError as error:
        if not done:
            raise
        raise DispatchdError(
            f"{error}; {did} {plural(done, noun)} before that, and that stays done"
        ) from error
    finally:
        if drawn:
            click.echo(CLEAR, err=True, nl=False)
    return done


def _bar(done: int, total: int | None) -> str:
    if not total:
        return ""
    filled = min(done, total) * WIDTH // total
    return f"[{'#' * filled}{'.' * (WIDTH - filled)}] "
