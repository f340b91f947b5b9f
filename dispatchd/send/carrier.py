"""Whatever was composed, to what can carry it: HTTP, SMTP, a process of Apprise's.

Only HTTP is here from the start; the others are imported when there is something for them.
"""

import asyncio
import time
from importlib import import_module
from typing import Any

from dispatchd.model import Carried, ErrorClass, Failure, Mail, Outcome, Request
from dispatchd.send.http import HttpSender


class Carrier:
    """Sends requests, mails and notices."""

    def __init__(self, http: HttpSender) -> None:
        self._http = http

    async def send(self, carried: Carried) -> Outcome:
        """Send it, within its `timeout_s`; return what came of it. Never raises."""
        if isinstance(carried, Request):
            return await self._http.send(carried)
        started_s = time.perf_counter()
        name = "smtp" if isinstance(carried, Mail) else "apprise"
        try:
            carries = await _imported(f"dispatchd.send.{name}")
            outcome: Outcome = await carries.send(carried)
        except Exception as error:  # noqa: BLE001 - our own fault must not strand the delivery
            elapsed_ms = round((time.perf_counter() - started_s) * 1000, 3)
            return Failure(ErrorClass.INTERNAL, f"{type(error).__name__} while sending", elapsed_ms)
        return outcome


async def _imported(name: str) -> Any:
    """Import a module beside the loop: what it needs takes tens of milliseconds the first time."""
    return await asyncio.to_thread(import_module, name)
