"""What is owed to one destination, as its lane sees it: what is in hand, and when to look for more.

What is in hand is claimed: it ends in `record` or `release`. New events come from memory while
there is room, everything else from the durable schedule; the wake is a hint, the look is the
guarantee.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from dispatchd.clock import Clock, monotonic_of
from dispatchd.deliver.room import EACH_BYTES, Room
from dispatchd.model import Delivery, Event, event_bytes
from dispatchd.store.base import Claimed, Schedule

# The longest a lane goes without looking: what other processes change is told within a second,
# and this is for the case that it is not.
LOOK_EVERY_S: Final = 30.0
ROOM_POLL_S: Final = 1.0  # how often a lane that waits for room asks again, should nobody wake it
READY_MAX: Final = 8192  # deliveries of one lane waiting in memory; the rest wait in the store
CLAIM_MAX: Final = 32  # deliveries fetched at once: more would keep the interpreter too long
CLAIM_MAX_BYTES: Final = 4 * 1024 * 1024


class Backlog:
    """The deliveries one lane has in hand, and what it knows of the others.

    `wake` is called where room has come free that a look waited for. `failing` says whether what
    it has in hand may wait for long: then its lane gets no more than its share of the room.
    `in_order`: the store hands out one at a time, the first that was received.
    """

    __slots__ = (
        "_clock",
        "_destination",
        "_in_order",
        "_look_at_s",
        "_mine_bytes",
        "_no_room",
        "_ready_max",
        "_replayed",
        "_room",
        "_store",
        "_there_was_more",
        "_wake",
        "more_in_store",
        "ready",
    )

    def __init__(
        self,
        destination: str,
        store: Schedule,
        clock: Clock,
        room: Room,
        wake: Callable[[], None],
        *,
        ready_max: int = READY_MAX,
        in_order: bool = False,
    ) -> None:
        self._destination = destination
        self._store = store
        self._clock = clock
        self._room = room
        self._wake = wake
        self.change(ready_max=ready_max, in_order=in_order)
        self._mine_bytes = 0  # in hand: ready, in flight or not yet recorded
        self._look_at_s = 0.0  # monotonic: when to look into the store next
        self._no_room = False  # for the next one in the store: not to be asked for until there is
        self._replayed: set[str] = set()  # event ids: in hand, and owed again after that
        self.ready: deque[tuple[Delivery, Event]] = deque()
        self.more_in_store = True  # what a crash or a restart left is there
        self._there_was_more = False  # when the look under way began

    def change(self, *, ready_max: int, in_order: bool) -> None:
        """Have so many at hand at most from here on, and take them so."""
        self._ready_max = ready_max
        self._in_order = in_order

    @property
    def in_hand(self) -> bool:
        """Whether something is: reserved for an event, ready, in flight or not yet recorded."""
        return self._mine_bytes > 0

    @property
    def drains(self) -> bool:
        """Whether more waits in the store than is in hand, as far as is known during a look too."""
        return self.more_in_store or self._there_was_more

    # What receive asks

    def offer(self, size_bytes: int, *, failing: bool) -> bool:
        """Reserve room for a new event of `size_bytes`; False where it must wait in the store."""
        size_bytes += EACH_BYTES
        if (
            self.more_in_store  # older ones wait there: let them go first
            or len(self.ready) >= self._ready_max
            or not self._room.fits(size_bytes, self._mine_bytes, failing=failing)
        ):
            return False
        self._hold(size_bytes)
        return True

    def withdraw(self, size_bytes: int) -> None:
        """Give back what was reserved: the event was not kept."""
        self._let_go(size_bytes + EACH_BYTES)

    # Looking into the store

    def should_look(self, now_s: float, max_ready: int) -> bool:
        """Whether to look: with fewer than `max_ready` at hand for more, else for what is due."""
        if self.more_in_store and not self._no_room and len(self.ready) < max_ready:
            return True
        # Under a steady stream of new events, retries that fall due must not starve.
        return now_s >= self._look_at_s

    def expect(self, due_ms: int) -> bool:
        """Remember that something is due at `due_ms` (Unix ms); whether that is news."""
        due_s = monotonic_of(self._clock, due_ms)
        if due_s >= self._look_at_s:
            return False
        self._look_at_s = due_s
        return True

    def idle_s(self, now_s: float) -> float:
        """Return how long (s) there is nothing to look for, unless somebody wakes."""
        if self.more_in_store and not self._no_room:
            return 0.0
        return max(0.0, self._look_at_s - now_s)

    async def look(self, limit: int, *, failing: bool) -> None:
        """Claim up to `limit` due deliveries from the store, as many as there is room for."""
        now_ms, now_s = self._clock.now_ms(), self._clock.monotonic_s()
        # Before asking, never after: what changes during the look may set them again.
        self._there_was_more, self.more_in_store = self.more_in_store, False
        self._look_at_s = now_s + LOOK_EVERY_S
        try:
            claimed = await self._claim(now_ms, limit, failing=failing)
        except BaseException:
            self.more_in_store = True  # whatever there is, it was not seen
            raise
        finally:
            self._there_was_more = False
        if claimed is None:
            self.more_in_store = self._no_room = True
            self._look_at_s = now_s + ROOM_POLL_S
            return
        self.ready.extend(claimed.ready)
        self.more_in_store = self.more_in_store or claimed.more
        self._replayed.update(claimed.replayed)
        if claimed.next_due_ms is not None:  # from when we asked: the answer took its time
            due_s = now_s + (claimed.next_due_ms - now_ms) / 1000
            self._look_at_s = min(self._look_at_s, due_s)

    async def _claim(self, now_ms: int, limit: int, *, failing: bool) -> Claimed | None:
        """Claim within the room there is; None where there is too little for the next one."""
        allowed = self._room.allowance(self._mine_bytes, failing=failing)
        if allowed <= EACH_BYTES:
            self._wait_for_room(EACH_BYTES + 1, failing=failing)
            return None
        allowed = min(allowed, CLAIM_MAX_BYTES)
        # At most half of it for what deliveries take beside their bodies.
        limit = max(1, min(limit, allowed // (2 * EACH_BYTES)))
        if self._in_order:
            limit = 1
        claimed = await self._claim_within(now_ms, limit, allowed - limit * EACH_BYTES)
        if claimed.ready or claimed.next_bytes is None:
            return claimed
        # A large one: it may go alone.
        size_bytes = claimed.next_bytes + EACH_BYTES
        if not self._room.fits(size_bytes, self._mine_bytes, failing=failing):
            self._wait_for_room(size_bytes, failing=failing)
            return None
        return await self._claim_within(now_ms, 1, claimed.next_bytes)

    def _wait_for_room(self, size_bytes: int, *, failing: bool) -> None:
        self._room.wait(self._room_came, size_bytes, self._mine_bytes, failing=failing)

    def _room_came(self) -> None:
        self._no_room = False
        self._wake()

    async def _claim_within(self, now_ms: int, limit: int, max_bytes: int) -> Claimed:
        """Claim with the bytes counted before: other lanes take room while we wait."""
        reserved = max_bytes + limit * EACH_BYTES
        unused = reserved
        self._hold(reserved)
        try:
            store, destination = self._store, self._destination
            if self._in_order:
                claimed = await store.claim_in_order(destination, now_ms, max_bytes)
            else:
                claimed = await store.claim(destination, now_ms, limit, max_bytes)
            unused -= sum(event_bytes(event) + EACH_BYTES for _, event in claimed.ready)
        finally:
            self._let_go(unused)
        return claimed

    # Letting go

    def ended(self, event: Event) -> None:
        """Hear that a delivery's result is on disk and the store has let it go."""
        self._let_go(event_bytes(event) + EACH_BYTES)
        if self._replayed and event.id in self._replayed:
            self._replayed.remove(event.id)
            self.more_in_store = True

    def give_up(self, delivery: Delivery, event: Event) -> None:
        """Release a delivery unsent: it is due as it was."""
        self._store.release(delivery)
        self._let_go(event_bytes(event) + EACH_BYTES)
        self.more_in_store = True

    def give_up_ready(self) -> None:
        """Release whatever waits: others may have the room."""
        while self.ready:
            self.give_up(*self.ready.popleft())

    def _hold(self, size_bytes: int) -> None:
        self._mine_bytes += size_bytes
        self._room.take(size_bytes)

    def _let_go(self, size_bytes: int) -> None:
        self._mine_bytes -= size_bytes
        self._no_room = False  # there may be now
        self._room.give_back(size_bytes)
