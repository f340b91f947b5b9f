"""What a write does to leases, decided in the transaction that writes the rest of it.

Whether a lease still runs is asked where it is ended, so of two who end it one finds it gone, and
nothing else of that write is made.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dispatchd.store.sqlite.connection import Step, run_steps


@dataclass(slots=True)
class Take:
    """Leases begin. All times are the schedule's."""

    leases: Sequence[tuple[Any, ...]]  # rows of `add_lease`
    due: Sequence[tuple[int, bytes, str]]
    sent: Sequence[tuple[bytes, str, bytes, str | None]]
    not_sent: Sequence[tuple[bytes, str]]

    def apply(self, sql: Mapping[str, str], writer: sqlite3.Connection) -> bool:
        """Write them; there is nothing that could stand against it."""
        steps: list[Step] = [
            (sql["add_lease"], self.leases),
            (sql["due_after_lease"], self.due),
            (sql["keep_sent"], self.sent),
            (sql["drop_sent"], self.not_sent),
        ]
        run_steps(steps, writer)
        return True


@dataclass(slots=True)
class Extend:
    """A lease is to run until `until_ms`; `found` is its event and when it runs out now."""

    id: str
    destination: str
    now_ms: int
    until_ms: int
    found: tuple[bytes, int] | None = None

    def apply(self, sql: Mapping[str, str], writer: sqlite3.Connection) -> bool:
        """Extend it where it runs."""
        self.found = None
        asked = (self.until_ms, self.id, self.destination, self.now_ms)
        if writer.execute(sql["extend_lease"], asked).rowcount:
            rows = writer.execute(sql["lease_until"], (self.id, self.destination)).fetchall()
            key, until_ms = self.found = rows[0]
            writer.execute(sql["due_after_lease"], (until_ms, key, self.destination))
        return self.found is not None


@dataclass(slots=True)
class End:
    """A lease ends: one that runs, or with `ran_out` one that does not any more."""

    id: str
    destination: str
    now_ms: int
    ran_out: bool
    event_key: bytes
    replays: int
    ended: bool = False
    replayed: bool = False

    def apply(self, sql: Mapping[str, str], writer: sqlite3.Connection) -> bool:
        """End it, unless another has."""
        asked = (self.id, self.destination, self.now_ms, int(self.ran_out))
        self.ended = writer.execute(sql["end_lease"], asked).rowcount == 1
        if self.ended:
            again = (self.now_ms, self.event_key, self.destination, self.replays)
            self.replayed = writer.execute(sql["due_again"], again).rowcount == 1
        return self.ended


LeaseChange = Take | Extend | End
