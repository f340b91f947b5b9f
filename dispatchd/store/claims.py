"""Which deliveries are in somebody's hand: handed out, and neither recorded nor given back.

A look at the schedule takes its time, and what it saw may have changed by its end: a delivery
that was let go meanwhile may have been sent, so a look never takes one of those. The next does.
"""

from collections.abc import Iterable
from types import TracebackType
from typing import Self


class Claims:
    """The deliveries in hand, by destination; used on the event loop's thread alone."""

    def __init__(self) -> None:
        self._held: dict[str, dict[str, int]] = {}
        self._looks: dict[str, list[Look]] = {}

    def hold(self, event_id: str, destinations: Iterable[str]) -> None:
        """Mark deliveries of a new event as handed out."""
        for destination in destinations:
            self.held(destination)[event_id] = 0

    def let_go(self, event_id: str, destinations: Iterable[str]) -> None:
        """Unmark deliveries, and tell the looks under way."""
        for destination in destinations:
            self.held(destination).pop(event_id, None)
            for look in self._looks.get(destination, ()):
                look.missed.add(event_id)

    def held(self, destination: str) -> dict[str, int]:
        """Return what is in hand for a destination, live: event ids, and how often replayed."""
        held = self._held.get(destination)
        if held is None:
            held = self._held[destination] = {}
        return held

    def look(self, destination: str) -> "Look":
        """Begin a look at what is owed to a destination; a context manager."""
        return Look(self.held(destination), self._looks.setdefault(destination, []))


class Look:
    """One look at the schedule, from before it is read until its deliveries are taken."""

    __slots__ = ("_under_way", "held", "missed")

    def __init__(self, held: dict[str, int], under_way: list["Look"]) -> None:
        self.held = held
        self.missed: set[str] = set()  # let go since the look began
        self._under_way = under_way

    def __enter__(self) -> Self:
        self._under_way.append(self)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._under_way.remove(self)

    def take(self, event_id: str, replays: int) -> bool:
        """Mark a delivery that was found as handed out; False where it may not be."""
        if event_id in self.held or event_id in self.missed:
            return False
        self.held[event_id] = replays
        return True
