"""How far a long write has come: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final

import click

from dispatchd.cli.text import plural
from dispatchd.errors import DispatchdError

if TYPE_CHECKING:
    from rich.progress import Progress

LINE_EVERY_S: Final = 5.0  # a log or a cron mail wants a sign of life, not a line per batch


async def counted(batches: AsyncIterator[int], did: str, noun: str, total: int | None) -> int:
    """Drain `batches` and return their sum; tell the way on standard error.

    A failure halfway says how much stays done. `did` is `replayed`, `noun` `delivery`.
    """
    done = 0
    told_s = time.monotonic()
    with _bar() as bar:
        task = None
        try:
            async for count in batches:
                done += count
                if bar is not None:
                    task = bar.add_task(did, total=total) if task is None else task
                    bar.update(task, completed=done)
                elif time.monotonic() - told_s >= LINE_EVERY_S:
                    told_s = time.monotonic()
                    click.echo(f"{did} {plural(done, noun)} so far", err=True)
        except DispatchdError as error:
            if not done:
                raise
            raise DispatchdError(
                f"{error}; {did} {plural(done, noun)} before that, and that stays done"
            ) from error
    return done


def _bar() -> "AbstractContextManager[Progress | None]":
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console  # noqa: PLC0415 - only on a terminal
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=Console(stderr=True),
        transient=True,
    )
