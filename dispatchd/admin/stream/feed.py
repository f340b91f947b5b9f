"""One reader for all who follow: it reads what is new from the store, and puts it in the ring.

The wake is a hint, the look is the guarantee. It tells nobody anything: a follower takes what
it has not had yet, from the ring, or from the store where the ring has moved on. So a slow one
costs its own connection alone.
"""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from dispatchd.admin.stream.items import AttemptItem, EventItem, MissedItem, Wanted
from dispatchd.admin.stream.ring import Ring
from dispatchd.admin.stream.watch import StreamWatch
from dispatchd.clock import Clock
from dispatchd.errors import StoreUnavailable
from dispatchd.log import Log
from dispatchd.store import Reads
from dispatchd.store.base import EventQuery
from dispatchd.store.following import Reading

if TYPE_CHECKING:
    from dispatchd.admin.stream.follower import Follower

FOLLOWERS_MAX: Final = 128
WHOLE_BYTES: Final = 256 * 1024  # a larger body is for the client to fetch
LOOK_S: Final = 1.0  # what other processes kept wakes nobody
GATHER_S: Final = 0.1  # what comes meanwhile is read in one go
ALL: Final = EventQuery()


class Feed:
    """What is told live, while anyone follows."""

    def __init__(self, reads: Reads, watch: StreamWatch, clock: Clock, log: Log) -> None:
        self.reads = reads
        self.clock = clock
        self.ring = Ring()
        self._watch = watch
        self._log = log
        self._followers: set[Follower] = set()
        self._reading: asyncio.Task[None] | None = None
        self._whole = False
        self.closed = False

    @property
    def followers(self) -> int:
        """How many follow."""
        return len(self._followers)

    @property
    def is_full(self) -> bool:
        """Whether another one is one too many."""
        return len(self._followers) >= FOLLOWERS_MAX

    def join(self, follower: "Follower", wanted: Wanted) -> None:
        """Have one more follow; the first has the reading begin."""
        self._followers.add(follower)
        if wanted.whole and not self._whole:
            self._whole = True  # what is in the ring is not
            self.ring.begin(self.ring.end)
        if self._reading is None:
            self._watch.followed = True
            self._reading = asyncio.create_task(self._run(), name="stream")

    async def leave(self, follower: "Follower") -> None:
        """Have one less; the last has the reading end, and nothing is kept in memory."""
        self._followers.discard(follower)
        if not self._followers and self._reading is not None:
            reading, self._reading = self._reading, None
            self._watch.followed = self._whole = False
            self._watch.take()
            self.ring.begin(None)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    def wake_all(self) -> None:
        """Have everyone look: at what is new, at whether they are still let in, at the end."""
        for follower in self._followers:
            follower.wake.set()

    def close(self) -> None:
        """End every stream once what it is just writing is written."""
        self.closed = True
        self.wake_all()

    async def _run(self) -> None:
        while True:
            try:
                await self._look()
            except StoreUnavailable:
                pass  # it is said elsewhere; the next look goes on from the same place
            except Exception as error:  # noqa: BLE001 - a fault of ours: say it, and go on
                self._log.error("internal_error", error=repr(error), duty="stream")
                self.ring.begin(None)
            self.wake_all()  # also where nothing is new: some have gone meanwhile
            await asyncio.sleep(GATHER_S)
            await self.clock.wait(self._watch.wake, LOOK_S)

    async def _look(self) -> None:
        """Read what is new. An attempt comes after its event, which was kept before it ended."""
        self._watch.wake.clear()
        ring = self.ring
        if ring.end is None:
            ring.begin(await self.reads.newest_place())
        ended, missed = self._watch.take()
        with suppress(StoreUnavailable):  # then they are told all the same
            await self._read_events()
        for one in ended:
            ring.add(AttemptItem(one))
        if missed:
            ring.add(MissedItem())

    async def _read_events(self) -> None:
        ring = self.ring
        more = True
        while more and ring.end is not None:
            before, whole = ring.end, self._whole
            page = await self.reads.follow_events(
                before, ALL, Reading(whole_bytes=WHOLE_BYTES if whole else None)
            )
            if whole is not self._whole:
                continue  # who came meanwhile wants more of them
            first = page.kept[0].place if page.kept else page.place
            if first.number < before.number or (page.kept and first.number == before.number):
                ring.begin(page.place)  # the store counts anew: everyone asks it where that is
            else:
                for kept in page.kept:
                    ring.add(EventItem(kept))
                ring.reach(page.place)
            more = page.more
            if more:
                self.wake_all()  # else they are woken once, with the attempts
