"""A sink that fails: a share of its answers are 500s, some come late, and a ledger is kept."""

import asyncio
import random

from ledger import OK, Ledger, key
from sink import Listener, Peer, header

ANSWERS = {
    200: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    500: b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\nno",
}
LATE = 0.05  # of the answers
LATE_S = 0.3  # at most


class Unsteady(Listener):
    """The path is the number of the lane."""

    def __init__(self, ledger: Ledger, failing: float) -> None:
        super().__init__()
        self.ledger = ledger
        self.failing = failing
        self.roll = random.Random(1)
        self.late = 0

    def peer(self) -> asyncio.Protocol:
        return _Failing(self)


class _Failing(Peer):
    """Its client sends the next request when the last was answered."""

    def __init__(self, sink: Unsteady) -> None:
        super().__init__()
        self._sink = sink

    def asked(self, head: bytes) -> None:
        event = key((header(head, b"x-dispatch-event-id") or b"").decode())
        lane = int(head.split(b" ", 2)[1][1:])
        sink = self._sink
        sink.ledger.begin(event, lane, int(header(head, b"x-dispatch-attempt") or 0))
        status = 500 if sink.roll.random() < sink.failing else OK
        if sink.roll.random() < LATE:
            sink.late += 1
            after = sink.roll.random() * LATE_S
            asyncio.get_running_loop().call_later(after, self._answer, event, lane, status)
        else:
            self._answer(event, lane, status)

    def _answer(self, event: bytes, lane: int, status: int) -> None:
        self._sink.ledger.end(event, lane, status)
        self.write(ANSWERS[status])
