"""The last things that were told, in their order: bounded, shared by all who follow. Pure."""

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Final

from dispatchd.admin.stream.items import EventItem, Item
from dispatchd.store.following import Place

ITEMS_MAX: Final = 2048
BYTES_MAX: Final = 8 * 1024 * 1024


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

    def add(self, item: Item) -> None:
        """Add what comes next; the oldest may have to go."""
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
