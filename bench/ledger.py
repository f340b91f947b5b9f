"""What the sink saw of each delivery, held against what is on disk. Pure: no I/O.

Without a crash every request that the sink got is an attempt on disk and every 200 it gave a
success there; a delivery has one 200, and at most one more for each time it was replayed.
"""

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

OK = 200


def key(event_id: str) -> bytes:
    """An event's id as the ledger and the database have it."""
    return bytes.fromhex(event_id.replace("-", ""))


@dataclass(frozen=True, slots=True)
class Row:
    """One delivery as it is on disk, with its attempts counted."""

    event: bytes
    lane: int
    status: str
    attempts: int  # by the delivery's own count
    replays: int
    tries: int  # attempts that are kept
    last: int  # the highest number of an attempt
    successes: int  # attempts that were answered 200
    ended_well: bool  # whether the last attempt was


class _Event:
    """Of one event, by lane: requests, 200s and what is under way."""

    __slots__ = ("good", "requests", "under_way")

    def __init__(self, lanes: int) -> None:
        self.requests = array("H", bytes(2 * lanes))
        self.good = array("H", bytes(2 * lanes))
        self.under_way = bytearray(lanes)


class Ledger:
    """Counts what the sink sees: 5 bytes for each delivery."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        self.requests = 0
        self.good = 0
        self.delivered = 0  # deliveries with a 200
        self.seen: Counter[str] = Counter()  # what was wrong already when it came
        self._events: dict[bytes, _Event] = {}

    def begin(self, event: bytes, lane: int, number: int) -> None:
        """A request came; `number` is what it says which attempt it is."""
        mine = self._events.get(event)
        if mine is None:
            mine = self._events[event] = _Event(self.lanes)
        self.requests += 1
        mine.requests[lane] += 1
        if number != mine.requests[lane]:
            self.seen["attempts sent with another's number"] += 1
        if mine.under_way[lane]:
            self.seen["deliveries sent twice at once"] += 1
        mine.under_way[lane] = 1

    def end(self, event: bytes, lane: int, status: int) -> None:
        """It was answered."""
        mine = self._events[event]
        mine.under_way[lane] = 0
        if status == OK:
            self.good += 1
            self.delivered += not mine.good[lane]
            mine.good[lane] += 1

    def goods(self, events: Iterable[bytes]) -> list[int]:
        """The 200s of each delivery of `events`, lane by lane, that was ever sent."""
        return [
            good
            for mine in (self._events[event] for event in events)
            for good, requests in zip(mine.good, mine.requests, strict=True)
            if requests
        ]

    def problems(self, acked: set[bytes], owed: int, rows: Iterable[Row]) -> Counter[str]:
        """Everything that does not hold, each kind with how often.

        `owed` is how many deliveries the acknowledged events make; `rows` may be a stream.
        """
        found = Counter(self.seen)
        deliveries = 0
        stored: set[bytes] = set()
        for row in rows:
            deliveries += 1
            stored.add(row.event)
            mine = self._events.get(row.event)
            requests = mine.requests[row.lane] if mine is not None else 0
            good = mine.good[row.lane] if mine is not None else 0
            found.update(_of_one(row, requests, good))
        found["acknowledged events that are not on disk"] += len(acked - stored)
        found["events on disk that nobody was told of"] += len(stored - acked)
        found["events at the sink that nobody was told of"] += len(self._events.keys() - acked)
        found["deliveries too few or too many on disk"] += abs(owed - deliveries)
        return +found  # only what is there


def _of_one(row: Row, requests: int, good: int) -> list[str]:
    found = []
    if row.status != "success":
        found.append("stranded" if row.status in ("queued", "retrying") else "failed for good")
    elif not good:
        found.append("never delivered, and called a success")
    elif not row.ended_well:
        found.append("a success whose last attempt was none")
    if good > 1 + row.replays:
        found.append("doubled")
    if requests != row.tries:
        found.append("requests that are not the attempts on disk")
    if good != row.successes:
        found.append("200s that are not the successes on disk")
    if not row.tries == row.last == row.attempts:
        found.append("attempts with a gap in their numbers")
    return found
