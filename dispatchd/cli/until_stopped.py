"""Work without an end of its own: until Ctrl-C, SIGTERM, or whoever read our output has gone."""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any


def run_until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` until it is told to stop; what it raises is raised."""
    with suppress(BrokenPipeError):
        asyncio.run(_until_stopped(work))
        return
    # The interpreter's last flush would complain about the closed pipe again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


async def _until_stopped(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task
