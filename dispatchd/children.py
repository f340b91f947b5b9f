"""Processes of our own, for work that would hold the loop up or may run away."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from typing import Final

# Such a process needs no secret from our environment, so it is given none.
_PASSED_ON: Final = ("PATH", "PYTHONPATH", "LANG")


async def start_child(module: str) -> Process:
    """Start `python -m module`, with pipes for what it reads and writes. Raises OSError."""
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, stdin=PIPE, stdout=PIPE, env=passed_on
    )


async def end_child(process: Process) -> None:
    """Kill a process, unless it has ended, and return when it is gone."""
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
