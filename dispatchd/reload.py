"""Reloading: the config is read anew, judged whole, and the difference applied whole, or nothing.

Who asks while a reload is under way gets the next one, and shares it with all who ask meanwhile.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from dispatchd.log import Log
from dispatchd.plan import Plan
from dispatchd.plan.difference import Difference, difference, obstacles
from dispatchd.plan.outcome import Outcome
from dispatchd.plan.rereading import read_again
from dispatchd.systemd import Notifier

NO_FILE: Final = "this daemon was started without a config file"

# Applies a plan; returns what kept it from doing so, and then has changed nothing.
Apply = Callable[[Plan, Difference], Awaitable[list[str]]]


class Reloading:
    """Reloads, one at a time. Run `run` as a duty; ask from anywhere on its loop."""

    def __init__(self, plan: Plan, apply: Apply, notifier: Notifier, log: Log) -> None:
        self._plan = plan
        self._apply = apply
        self._notifier = notifier
        self._log = log
        self._asked = asyncio.Event()
        self._outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def ask(self) -> None:
        """Have the config as it is from now on read and applied; returns at once."""
        self._asked.set()

    async def reload(self) -> Outcome:
        """Have the config as it is from now on read and applied; return what came of it."""
        self.ask()
        return await asyncio.shield(self._outcome)  # who goes away takes it from nobody

    async def run(self) -> None:
        """Reload whenever asked. What is raised in here is a surprise, and half done."""
        try:
            while True:
                await self._asked.wait()
                self._asked.clear()
                # Who asks from here on may mean what is written from here on.
                waiting, self._outcome = self._outcome, self._outcome.get_loop().create_future()
                self._notifier.reloading()
                try:
                    outcome = await self._reload()
                    self._notifier.ready()
                    self._tell(outcome)
                    waiting.set_result(outcome)
                finally:
                    waiting.cancel()  # unless it has its result by now
        finally:
            self._outcome.cancel()

    async def _reload(self) -> Outcome:
        if not self._plan.source:
            return Outcome(problems=(NO_FILE,))
        read = await read_again(self._plan.source)
        if not isinstance(read, Plan):
            return Outcome(problems=tuple(read))
        problems = obstacles(self._plan, read)
        if not problems:
            found = difference(self._plan, read)
            problems = await self._apply(read, found)
        if problems:
            return Outcome(problems=tuple(problems))
        self._plan = read
        return Outcome(found.changes, (), read.warnings)

    def _tell(self, outcome: Outcome) -> None:
        if outcome.problems:
            self._log.error("reload_refused", problems=list(outcome.problems))
            return
        self._log.info("reloaded", changes=[str(change) for change in outcome.changes])
        for warning in outcome.warnings:
            self._log.warning("config", message=warning)
