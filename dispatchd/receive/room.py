"""Room for bodies in memory, and the pace at which they must come. Pure: time is handed in.

Large bodies leave room for small ones, those that are held back for those that are here, and one
client for others.
"""

from dataclasses import dataclass
from typing import Final, Self

MIB: Final = 1024 * 1024


class NoRoom(Exception):  # noqa: N818 - a verdict on the request
    """Too many bodies are in memory already."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many bytes of bodies may be in memory, being read or waiting for the disk."""

    all_bytes: int = 128 * MIB
    # Of bodies over `small_bytes`, except a single one: the rest is for small ones alone.
    large_bytes: int = 96 * MIB
    small_bytes: int = MIB // 4
    client_bytes: int = 32 * MIB  # of one client's, except a single body
    # Such a body may take the last eighth too: were there one on each connection, all would fit.
    tiny_bytes: int = 4 * 1024

    @property
    def held_bytes(self) -> int:
        """How many bytes there may be where more than tiny bodies come piece by piece."""
        return self.all_bytes - self.all_bytes // 8


class Room:
    """What bodies take, in all, of large ones and of each client."""

    __slots__ = ("all_bytes", "bounds", "clients", "large_bytes")

    def __init__(self, bounds: Bounds | None = None) -> None:
        self.bounds = bounds or Bounds()
        self.all_bytes = 0
        self.large_bytes = 0
        self.clients: dict[str, int] = {}


class Share:
    """One body's room; a context manager that gives it back.

    `client` is whom it counts as; None counts as nobody, where that cannot be told.
    """

    __slots__ = ("_bytes", "_client", "_counted_bytes", "_large_bytes", "_room")

    def __init__(self, room: Room, client: str | None = None) -> None:
        self._room = room
        self._client = client
        self._bytes = 0
        self._counted_bytes = 0  # of the client's
        self._large_bytes = 0  # of large bodies'

    def whole(self, size_bytes: int) -> None:
        """Take room for a body that is here at once: no client can hold it back."""
        room = self._room
        if room.all_bytes + size_bytes > room.bounds.all_bytes:
            raise NoRoom
        room.all_bytes += size_bytes
        self._bytes = size_bytes

    def add(self, size_bytes: int) -> None:
        """Take more room, for what has come. Raises NoRoom."""
        room, bounds = self._room, self._room.bounds
        total = self._bytes + size_bytes
        # All of it, from the byte that makes it so.
        large = total if total > bounds.small_bytes else 0
        others = room.large_bytes - self._large_bytes
        if large and others and others + large > bounds.large_bytes:
            raise NoRoom
        most_bytes = bounds.all_bytes if total <= bounds.tiny_bytes else bounds.held_bytes
        if room.all_bytes + size_bytes > most_bytes:
            raise NoRoom
        if self._client is not None:
            others = room.clients.get(self._client, 0) - self._counted_bytes
            if others > 0 and others + total > bounds.client_bytes:
                raise NoRoom
            room.clients[self._client] = others + total
            self._counted_bytes = total
        room.large_bytes += large - self._large_bytes
        self._large_bytes = large
        room.all_bytes += size_bytes
        self._bytes = total

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        room = self._room
        room.all_bytes -= self._bytes
        room.large_bytes -= self._large_bytes
        if self._client is not None:
            left = room.clients.get(self._client, 0) - self._counted_bytes
            if left:
                room.clients[self._client] = left
            else:
                room.clients.pop(self._client, None)


@dataclass(frozen=True, slots=True)
class Rates:
    """How slowly a body may come: in all, and at any time."""

    start_s: float = 30.0  # from the head to the last byte: a start,
    slowest_bytes_per_s: int = 64 * 1024  # and what the slowest line still brings
    grace_s: float = 10.0  # how long nothing may come,
    least_bytes_per_s: int = 16 * 1024  # where no more than this came before


class Pace:
    """Until when more of a body must have come, in s of the clock that is handed in.

    Each byte buys time at the least rate, up to the grace: what came long ago is soon used up.
    """

    __slots__ = ("_last_s", "_rates", "deadline_s")

    def __init__(self, rates: Rates, expected_bytes: int, now_s: float) -> None:
        self._rates = rates
        self._last_s = now_s + rates.start_s + expected_bytes / rates.slowest_bytes_per_s
        self.deadline_s = min(self._last_s, now_s + rates.grace_s)

    def came(self, size_bytes: int, now_s: float) -> None:
        """Count what came just now."""
        rates = self._rates
        bought_s = self.deadline_s + size_bytes / rates.least_bytes_per_s
        self.deadline_s = min(self._last_s, bought_s, now_s + rates.grace_s)
