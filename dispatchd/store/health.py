"""Whether the store takes writes. Ingest and delivery report here; delivery waits here."""

import asyncio
from collections.abc import Callable

from dispatchd.errors import StoreUnavailable


class StoreHealth:
    """Good until a write fails for the store's own fault, good again when one succeeds.

    `changed` is told the new fault, or None on recovery, once per change.
    """

    def __init__(self, changed: Callable[[StoreUnavailable | None], None]) -> None:
        self._changed = changed
        self._good = asyncio.Event()
        self._good.set()
        self.disk_low = False  # whoever watches the disk says so: no webhook, but all else

    @property
    def takes(self) -> bool:
        """Whether webhooks are taken: all is well, and there is room for more."""
        return self.good and not self.disk_low

    @property
    def good(self) -> bool:
        """Whether the last write we know of was kept."""
        return self._good.is_set()

    def failed(self, error: StoreUnavailable) -> None:
        """Report a failed write. A full queue is load, not a fault of the store."""
        if error.reason == "overloaded" or not self.good:
            return
        self._good.clear()
        self._changed(error)

    def worked(self) -> None:
        """Report a write that was kept."""
        if not self.good:
            self._good.set()
            self._changed(None)

    async def wait_until_good(self) -> None:
        """Return at once while all is well, else upon recovery."""
        await self._good.wait()
