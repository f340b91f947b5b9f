"""Room for bodies in memory, and the pace at which they must come. Pure: time is handed in.

Large bodies leave room for small ones, those that are held back for those that are here, and one
client for others.
"""

from typing import Final, Self

from dispatchd.frozen import frozen

MIB: Final = 1024 * 1024


class NoRoom(Exception):  # noqa: N818 - a verdict on the request
    """Too many bodies are in memory already."""


@frozen
class Bounds:
    """How many bytes of bodies may be in memory, being read or waiting for the disk."""

    all_bytes: int = 128 * MIB
    # Of bodies over `small_bytes`, except a single one: the rest is for small ones alone.
    large_bytes: int = 96 * MIB
    small_bytes: int = MIB // 4
    client_bytes: int = 32 * MIB  # of one client's large ones, except a single one,
    client_small_bytes: int = 8 * MIB  # and of its small ones: the former must not keep these out
    # Such a body may take the last eighth too: were there one on each connection, all would fit.
    tiny_bytes: int = 4 * 1024

    @property
    def held_bytes(self) -> int:
        """How many bytes there may be where more than tiny bodies come piece by piece."""
        return self.all_bytes - self.all_bytes // 8


class Room:
    """What bodies take: in all, the large ones, and each client's large and small ones."""

    __slots__ = ("all_bytes", "bounds", "clients_large", "clients_small", "large_bytes")

    def __init__(self, bounds: Bounds | None = None) -> None:
        self.bounds = bounds or Bounds()
        self.all_bytes = 0
        self.large_bytes = 0
        self.clients_large: dict[str, int] = {}
        self.clients_small: dict[str, int] = {}

    @property
    def is_empty(self) -> bool:
        """Whether everything was given back."""
        return not (self.all_bytes or self.large_bytes or self.clients_large or self.clients_small)


class Share:
    """One body's room; a context manager that gives it back.

    `client` is whom it counts as; None counts as nobody, where that cannot be told.
    """

    __slots__ = ("_bytes", "_client", "_large_bytes", "_room", "_small_bytes")

    def __init__(self, room: Room, client: str | None = None) -> None:
        self._room = room
        self._client = client
        self._bytes = 0
        self._large_bytes = 0  # all of it, from the byte that makes it large
        self._small_bytes = 0  # counted of the client

    def whole(self, size_bytes: int) -> None:
        """Take room for a body that is here at once: no client can hold it back."""
        room = self._room
        if room.all_bytes + size_bytes > room.bounds.all_bytes:
            raise NoRoom
        room.all_bytes += size_bytes
        self._bytes = size_bytes

    def add(self, size_bytes: int) -> None:
        """Take more room, for what has come. Raises NoRoom."""
        room, bounds, client = self._room, self._room.bounds, self._client
        total = self._bytes + size_bytes
        is_large = total > bounds.small_bytes
        large, small = (total, 0) if is_large else (0, total)
        most_bytes = bounds.all_bytes if total <= bounds.tiny_bytes else bounds.held_bytes
        if room.all_bytes + size_bytes > most_bytes:
            raise NoRoom
        if is_large:
            _check(room.large_bytes - self._large_bytes, large, bounds.large_bytes)
        if client is not None:
            if is_large:
                others = room.clients_large.get(client, 0) - self._large_bytes
                _check(others, large, bounds.client_bytes)
            else:
                others = room.clients_small.get(client, 0) - self._small_bytes
                _check(others, small, bounds.client_small_bytes)
            _change(room.clients_large, client, large - self._large_bytes)
            _change(room.clients_small, client, small - self._small_bytes)
        room.large_bytes += large - self._large_bytes
        room.all_bytes += size_bytes
        self._bytes, self._large_bytes, self._small_bytes = total, large, small

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        room = self._room
        room.all_bytes -= self._bytes
        room.large_bytes -= self._large_bytes
        if self._client is not None and (self._large_bytes or self._small_bytes):
            _change(room.clients_large, self._client, -self._large_bytes)
            _change(room.clients_small, self._client, -self._small_bytes)


def _check(others_bytes: int, own_bytes: int, most_bytes: int) -> None:
    """Raise NoRoom where both are too much; a single body may be as large as the config says."""
    if others_bytes > 0 and others_bytes + own_bytes > most_bytes:
        raise NoRoom


def _change(clients: dict[str, int], client: str, size_bytes: int) -> None:
    if size_bytes:
        now_bytes = clients.get(client, 0) + size_bytes
        if now_bytes:
            clients[client] = now_bytes
        else:
            del clients[client]


@frozen
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
