"""Whatever was composed, to what can carry it: HTTP, SMTP, a process of Apprise's or of its own.

Only HTTP is here from the start; the others are imported when there is something for them.
"""

import asyncio
import time
from collections.abc import Coroutine
from importlib import import_module
from typing import Any

from dispatchd.model import Carried, Command, ErrorClass, Failure, Mail, Outcome, Request
from dispatchd.send.http import HttpSender


class Carrier:
    """Sends requests, mails and notices, and runs commands."""

    def __init__(self, http: HttpSender) -> None:
        self._http = http
        self._commands: Any = None  # what runs them, once there is one

    def send(self, carried: Carried) -> Coroutine[Any, Any, Outcome]:
        """Send it, within its `timeout_s`; return what came of it. Never raises."""
        return self._http.send(carried) if isinstance(carried, Request) else self._sent(carried)

    async def _sent(self, carried: Carried) -> Outcome:
        started_s = time.perf_counter()
        try:
            outcome: Outcome = await (await self._for(carried)).send(carried)
        except Exception as error:  # noqa: BLE001 - our own fault must not strand the delivery
            elapsed_ms = round((time.perf_counter() - started_s) * 1000, 3)
            return Failure(ErrorClass.INTERNAL, f"{type(error).__name__} while sending", elapsed_ms)
        return outcome

    async def _for(self, carried: Carried) -> Any:
        """Return what can carry it."""
        if isinstance(carried, Mail):
            return await _imported("dispatchd.send.smtp")
        if not isinstance(carried, Command):
            return await _imported("dispatchd.send.apprise")
        if self._commands is None:
            runs = await _imported("dispatchd.send.command")
            self._commands = self._commands or runs.Commands()  # another may have been first
        return self._commands

    async def close(self) -> None:
        """Let go of what outlives a single exchange, when none is under way any more."""
        if self._commands is not None:
            await self._commands.close()


async def _imported(name: str) -> Any:
    """Import a module beside the loop: what it needs takes tens of milliseconds the first time."""
    return await asyncio.to_thread(import_module, name)
