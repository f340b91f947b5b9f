"""The last things that were told, in their order: bounded, shared by all who follow. Pure."""

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from dispatchd.admin.stream.items import EventItem, Item, MissedItem, Wanted
from dispatchd.store.following import Place

ITEMS_MAX: Final = 2048
BYTES_MAX: Final = 8 * 1024 * 1024
STEP_BYTES: Final = 64 * 1024  # about what is written at once


class Step(NamedTuple):
    """What comes next for whoever wants the same from the same place on, and where that leads.

    `told_id` is of the last event in it, None where there is none.
    """

    blocks: bytes
    number: int
    place: Place
    told_id: str | None


class Ring:
    """Holds every event after `start` up to `end`, and attempts between them.

    Items have numbers: `first` is that of the oldest one there is, `lost` that of the last
    attempt that went. With another `era` places may be told by other numbers.
    """

    def __init__(self, items_max: int = ITEMS_MAX, bytes_max: int = BYTES_MAX) -> None:
        self._items_max = items_max
        self._bytes_max = bytes_max
        self._items: deque[Item] = deque()
        self._bytes = 0
        self.first = 0
        self.lost = -1
        self.era = 0
        self._steps: dict[tuple[Wanted, int, int], Step] = {}  # made since the last change
        self.start: Place | None = None  # None: nothing may be read from here
        self.end: Place | None = None

    @property
    def next(self) -> int:
        """Return the number of the item that comes next."""
        return self.first + len(self._items)

    def begin(self, place: Place | None) -> None:
        """Hold nothing, and be where nothing after `place` has been told yet."""
        if any(not isinstance(item, EventItem) for item in self._items):
            self.lost = self.next - 1
        self.first = self.next
        self.era += 1
        self._items.clear()
        self._bytes = 0
        self.start = self.end = place
        self._steps.clear()

    def reach(self, place: Place) -> None:
        """Be where all up to `place` has been told."""
        self.end = place
        self._steps.clear()

    def add(self, item: Item) -> None:
        """Add what comes next; the oldest may have to go."""
        self._steps.clear()
        self._items.append(item)
        self._bytes += item.size_bytes
        while len(self._items) > self._items_max or self._bytes > self._bytes_max:
            oldest = self._items.popleft()
            self._bytes -= oldest.size_bytes
            if isinstance(oldest, EventItem):
                self.start = oldest.kept.place
            else:
                self.lost = self.first
            self.first += 1

    def after(self, number: int) -> Iterator[Item]:
        """Yield the items from `number` on."""
        return islice(self._items, max(0, number - self.first), None)

    def step(self, wanted: Wanted, number: int, place: Place) -> Step:
        """Return what comes next from there on: made once for all who ask for the same."""
        key = (wanted, number, place.number)
        step = self._steps.get(key)
        if step is None:
            step = self._steps[key] = self._step(wanted, number, place)
        return step

    def _step(self, wanted: Wanted, number: int, place: Place) -> Step:
        blocks: list[bytes] = []
        size_bytes = 0
        told_id: str | None = None
        if self.lost >= number and wanted.attempts:
            blocks.append(MissedItem().block(whole=False))
        number = max(number, self.first)
        for item in self.after(number):
            number += 1
            is_event = isinstance(item, EventItem)
            if isinstance(item, EventItem):
                if item.kept.place.number <= place.number:
                    continue  # it was told from the store
                place = item.kept.place
            if item.is_wanted(wanted):
                blocks.append(item.block(whole=wanted.whole))
                if is_event:
                    told_id = place.event_id
                size_bytes += len(blocks[-1])
                if size_bytes >= STEP_BYTES:
                    return Step(b"".join(blocks), number, place, told_id)
        if self.end is not None and self.end.number > place.number:
            place = self.end
        return Step(b"".join(blocks), number, place, told_id)
