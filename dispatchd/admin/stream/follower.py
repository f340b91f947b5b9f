"""One who follows the stream: where it is, and what comes next for it."""

import asyncio
from dataclasses import replace
from typing import Final

from dispatchd.admin.stream.blocks import HEARTBEAT, passed
from dispatchd.admin.stream.feed import WHOLE_BYTES, Feed
from dispatchd.admin.stream.items import EventItem, Wanted
from dispatchd.store.following import Place, Reading

HEARTBEAT_S: Final = 15.0
PAGE: Final = Reading(limit=128, most_bytes=512 * 1024)


class Follower:
    """Reads from the ring while it keeps up, else from the store; it never holds up the feed.

    `place` is up to where it was told the events that it wants.
    """

    def __init__(self, feed: Feed, wanted: Wanted, place: Place) -> None:
        self.wake = asyncio.Event()
        self.place = place
        self._feed = feed
        self._wanted = wanted
        self._page = replace(PAGE, whole_bytes=WHOLE_BYTES) if wanted.whole else PAGE
        self._number = feed.ring.next  # of the item in the ring that comes next for it
        # Once it has read to the end, events that are in the ring before that are behind it.
        self._caught_up = False
        self._era: int | None = None  # of the ring that `place` may be compared with
        self._told_id = place.event_id
        self._told_s = feed.clock.monotonic_s()

    async def next(self) -> bytes:
        """Return what comes next, or nothing where something may have changed, or a heartbeat.

        Raises StoreUnavailable.
        """
        clock = self._feed.clock
        self.wake.clear()
        if self._keeps_up():
            blocks, more = self._from_ring(), False
        else:
            blocks, more = await self._from_store()
        now_s = clock.monotonic_s()
        if not blocks and (more or now_s - self._told_s >= HEARTBEAT_S):
            blocks = self._heartbeat()
        if blocks:
            self._told_s = now_s
            return blocks
        await clock.wait(self.wake, HEARTBEAT_S - (now_s - self._told_s))
        return b""

    def _heartbeat(self) -> bytes:
        """Return a sign of life; where unwanted events went by, one that says how far it is."""
        if self.place.event_id == self._told_id:
            return HEARTBEAT
        self._told_id = self.place.event_id
        return passed(self._told_id)

    def _keeps_up(self) -> bool:
        """Whether all that it has not been told yet is in the ring."""
        ring = self._feed.ring
        return (
            self._wanted.query.search is None
            and self._era == ring.era
            and ring.start is not None
            and ring.start.number <= self.place.number
        )

    def _forget_since(self) -> None:
        """From here on all is new, whatever the clock is set to."""
        wanted = self._wanted
        if wanted.query.since_ms is not None:
            self._wanted = replace(wanted, query=replace(wanted.query, since_ms=None))

    def _from_ring(self) -> bytes:
        self._forget_since()
        step = self._feed.ring.step(self._wanted, self._number, self.place)
        self._number, self.place = step.number, step.place
        self._told_id = step.told_id or self._told_id
        return step.blocks

    async def _from_store(self) -> tuple[bytes, bool]:
        """Return what a look into the store found, and whether there is more to look at."""
        era, wanted = self._feed.ring.era, self._wanted
        page = await self._feed.reads.follow_events(self.place, wanted.query, self._page)
        self._caught_up = self._caught_up or not page.more
        self.place, self._era = page.place, era if self._caught_up else None
        if page.kept:
            self._told_id = page.kept[-1].summary.id
        if not page.more:
            self._forget_since()
        blocks = [EventItem(kept).block(whole=wanted.whole) for kept in page.kept]
        return b"".join(blocks), page.more
