"""Duties: what a daemon does for as long as it runs. One that dies ends it, with a reason."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

from dispatchd.errors import DispatchdError
from dispatchd.log import Log


class Duties:
    """Runs duties until `exit_stack` gets to where each began; the first to die calls `died`."""

    def __init__(self, exit_stack: AsyncExitStack, log: Log, died: Callable[[], None]) -> None:
        self._exit = exit_stack
        self._log = log
        self._died = died
        self.dead: DispatchdError | None = None  # what the last one died of

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run a duty, by a name that people will read if it dies."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._exit.push_async_callback(_cancel, task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            name, reasons = task.get_name(), _reasons(error)
            self._log.error("internal_error", duty=name, error=reasons)
            self.dead = DispatchdError(f"{name} ended unexpectedly: {reasons}")
            self._died()


def _reasons(error: BaseException) -> str:
    """Name what a duty died of; of a group, each part."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_reasons(part) for part in error.exceptions)
    return repr(error)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
