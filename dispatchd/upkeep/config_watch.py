"""Noticing that the config file has changed, for who wants that taken up by itself."""

import asyncio
import os
from collections.abc import Callable
from typing import Final

from dispatchd.clock import Clock

LOOK_EVERY_S: Final = 1.0


class ConfigWatch:
    """Looks once a second, and calls `changed` when the file is another and has come to rest.

    It looks by name: editors and configuration managers put a new file in the old one's place.
    Files that the config refers to are not looked at.
    """

    def __init__(self, path: str, clock: Clock, changed: Callable[[], None]) -> None:
        self._path = path
        self._clock = clock
        self._changed = changed

    async def run(self) -> None:
        """Watch until stopped."""
        never = asyncio.Event()
        taken = before = self._look()
        while True:
            await self._clock.wait(never, LOOK_EVERY_S)
            now = self._look()
            # Gone is not another: it is being replaced. Half written is not at rest.
            if now is not None and now == before and now != taken:
                taken = now
                self._changed()
            before = now

    def _look(self) -> tuple[int, ...] | None:
        try:
            found = os.stat(self._path)  # noqa: PTH116 - with everything that tells two apart
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
