"""The state of every lane on SQLite: which destinations exist, and what holds them."""

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import orjson

from dispatchd.model import ErrorClass, Hold, HoldKind, LaneState, Pacing
from dispatchd.store.base import LaneSummary, hold_words
from dispatchd.store.sqlite.connection import Step, run_steps
from dispatchd.store.sqlite.database import Database
from dispatchd.store.sqlite.rows import statements


class LaneStates(Database):
    """Holds lanes and opens them: a row for each reason, none for a delivery."""

    async def open_lanes(
        self, destinations: Collection[str], now_ms: int | None = None, *, anew: bool = False
    ) -> Sequence[str]:
        """Declare which destinations exist; return those that owe deliveries but are gone."""

        def declare(writer: sqlite3.Connection) -> Sequence[str]:
            known = writer.execute("SELECT destination FROM lanes").fetchall()
            gone = [row[0] for row in known if row[0] not in destinations]
            names = [(name,) for name in destinations]
            run_steps(
                [
                    (self._sql["add_lane"], names),
                    (self._sql["count_held"], [(name,) for name in gone]),
                    (self._sql["pace_none"], [] if anew else [()]),
                    (
                        self._sql["hold_lane_first"],
                        [(name, HoldKind.CONFIG, "", now_ms, None) for name in gone],
                    ),
                ],
                writer,
            )
            for name in destinations:
                self._opened(name, [HoldKind.CONFIG], writer)
            return [name for name in gone if writer.execute(self._sql["owes"], (name,)).fetchall()]

        return await self._transaction(declare)

    async def order_lanes(self, destinations: Collection[str]) -> None:
        """Declare which lanes are worked off in order of receipt."""

        def declare(writer: sqlite3.Connection) -> None:
            known = writer.execute("SELECT destination FROM lanes").fetchall()
            run_steps(
                [
                    (self._sql["add_lane"], [(name,) for name in destinations]),
                    (self._sql["give_places"], [(name,) for name in destinations]),
                    (self._sql["order_lane"], [(1, name) for name in destinations]),
                    (
                        self._sql["order_lane"],
                        [(0, row[0]) for row in known if row[0] not in destinations],
                    ),
                ],
                writer,
            )

        # Before: what is kept from here on has its place. Until the database has taken it back,
        # so has what is kept for a lane that was ordered.
        self._ordered = self._ordered.union(destinations)
        await self._transaction(declare)
        self._ordered = frozenset(destinations)

    async def hold_lane(
        self,
        destination: str,
        kind: HoldKind,
        reason: str,
        since_ms: int,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Hold a lane for one more reason, or say that one anew."""
        row = (
            destination,
            kind,
            reason,
            since_ms,
            None if detail is None else orjson.dumps(detail).decode(),
        )
        steps: list[Step] = [
            (self._sql["count_held"], [(destination,)]),
            (self._sql["hold_lane"], [row]),
        ]
        await self._transaction(lambda writer: run_steps(steps, writer))

    async def open_lane(self, destination: str, *kinds: HoldKind) -> None:
        """End these reasons to hold a lane; it is open when none is left."""
        await self._transaction(partial(self._opened, destination, kinds))

    def _opened(
        self, destination: str, kinds: Collection[HoldKind], writer: sqlite3.Connection
    ) -> None:
        """End these reasons; count it where none is left."""
        if not writer.execute(self._sql["is_held"], (destination,)).fetchall():
            return
        run_steps([(self._sql["open_lane"], [(destination, kind) for kind in kinds])], writer)
        if not writer.execute(self._sql["is_held"], (destination,)).fetchall():
            run_steps([(self._sql["count_opened"], [(destination,)])], writer)

    async def pace_lanes(self, changed: Mapping[str, Pacing | None]) -> None:
        """Keep why lanes are paced, None for those that no longer are."""
        rows = [
            (None, None, name) if pacing is None else (pacing.reason, pacing.since_ms, name)
            for name, pacing in changed.items()
        ]
        steps = [(self._sql["pace_lane"], rows)]
        await self._transaction(lambda writer: run_steps(steps, writer))

    async def lane_states(self) -> Mapping[str, LaneState]:
        """Return what holds each lane ever seen."""
        return await self._ask(states)

    async def oldest_due_ms(self) -> int | None:
        """Return when the delivery became due that is due longest, of lanes not held."""
        return await self._ask(_oldest_due_ms)

    async def lanes(self) -> Sequence[LaneSummary]:
        """List every lane ever seen, by name."""
        return await self._ask(summaries)


def states(reader: sqlite3.Connection) -> dict[str, LaneState]:
    """Return the state of every lane."""
    paced: dict[str, Pacing | None] = {
        name: None if reason is None else Pacing(reason, since_ms)
        for name, reason, since_ms in reader.execute(
            "SELECT destination, pacing, paced_since_ms FROM lanes"
        ).fetchall()
    }
    found: dict[str, list[Hold]] = {name: [] for name in paced}
    for destination, hold in _holds(reader):
        found.setdefault(destination, []).append(hold)
    return {name: LaneState(tuple(holds), paced.get(name)) for name, holds in found.items()}


def kept_ahead_ms(reader: sqlite3.Connection) -> int:
    """Return how far the schedule is ahead of the wall clock, whoever set that clock back."""
    return int(reader.execute(statements()["clock"]).fetchall()[0][1])


def summaries(reader: sqlite3.Connection) -> list[LaneSummary]:
    """List every lane."""
    ahead_ms = kept_ahead_ms(reader)
    sql = statements()
    owed = {
        destination: (count, due_ms - ahead_ms)
        for destination, count, due_ms in reader.execute(sql["owed"]).fetchall()
    }
    last = {row[0]: row[1:] for row in reader.execute(sql["lanes"]).fetchall()}
    leased = dict(reader.execute(sql["leased"]).fetchall())
    found = states(reader)
    summaries = []
    for name in sorted({*last, *found, *owed}):
        success_ms, error_ms, error = last.get(name, (None, None, None))
        count, due_ms = owed.get(name, (0, None))
        summaries.append(
            LaneSummary(
                name,
                found.get(name, LaneState()),
                count,
                due_ms,
                success_ms,
                error_ms,
                None if error is None else ErrorClass(error),
                leased.get(name, 0),
            )
        )
    return summaries


def _oldest_due_ms(reader: sqlite3.Connection) -> int | None:
    rows = reader.execute(statements()["oldest_due"]).fetchall()
    due = [due_ms for (due_ms,) in rows if due_ms is not None]
    return min(due) - kept_ahead_ms(reader) if due else None


def why_held(reader: sqlite3.Connection) -> dict[str, str]:
    """Return why lanes are held, in words, by destination."""
    found: dict[str, str] = {}
    for destination, hold in _holds(reader):
        words = hold_words(hold)
        found[destination] = f"{found[destination]}; {words}" if destination in found else words
    return found


def _holds(reader: sqlite3.Connection) -> list[tuple[str, Hold]]:
    rows = reader.execute(
        "SELECT destination, kind, reason, since_ms, detail FROM holds ORDER BY destination, kind"
    ).fetchall()
    return [
        (row[0], Hold(HoldKind(row[1]), row[2], row[3], orjson.loads(row[4] or "{}")))
        for row in rows
    ]
