"""What a commit waits while old events are deleted: its p99 meanwhile, and without.

    python bench/pruning.py [--rounds 3] [--seconds 20] [--rate 500] [--directory DIR]

The store and the daemon's duty in this process: events come at a steady rate, open loop, each with
a delivery that ends, and by turns nothing else is done, or retention works off a database full of
old events: half of its time it deletes, half of it it gives free pages back.
"""

import argparse
import asyncio
import contextlib
import itertools
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import uvloop
from figures import PRUNING_P99, judge, sides_doubts
from load import bodies
from machine import RefusedError, finish, percentile, print_facts
from options import SLICES, plain
from seed import CHUNK, opened, uuid7

from dispatchd.clock import SystemClock, new_id
from dispatchd.model import Attempt, Delivered, Event, EventStatus
from dispatchd.store import Store
from dispatchd.store.base import Duplicate
from dispatchd.upkeep.retention import PAGES, REST_MIN_S, HistoryRetention
from dispatchd.upkeep.spec import StorageSpec

STATED_RATE = 500.0
STATED_S = 20.0
DAY_MS = 86_400_000
OLD_DAYS = 40
OLD_EVENTS = 15_000  # for each second of retention at work: more than it can delete
WARM_UP_S = 2.0
KINDS = ("alone", "pruning")
ENDPOINT_ID = new_id()
HEADERS = tuple((f"X-Header-{n}", "value " * 4) for n in range(8))


@dataclass
class Side:
    """Commits of one kind of slice: how long each took from its time, in ms."""

    waits_ms: list[float] = field(default_factory=list)
    events: int = 0  # deleted meanwhile
    pages: int = 0  # given back

    @property
    def p99_ms(self) -> float:
        return percentile(self.waits_ms, 0.99)


def old_events(count: int) -> Iterator[tuple[bytes, int, bytes]]:
    first_ms = SystemClock().now_ms() - OLD_DAYS * DAY_MS
    body = itertools.cycle(bodies())
    for number in range(count):
        at_ms = first_ms + number
        yield uuid7(at_ms), at_ms, next(body)


async def fill(database: Path, count: int) -> None:
    """A history of events with a delivery each that succeeded at once."""
    async with opened(database):
        pass
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")  # the fill is not what is measured
    made = old_events(count)
    while chunk := list(itertools.islice(made, CHUNK)):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT INTO events (id, endpoint, endpoint_id, received_ms, status, content_type,"
            " headers, body) VALUES (?, 'old', x'00', ?, 'received', 'application/json', '[]', ?)",
            chunk,
        )
        connection.executemany(
            "INSERT INTO deliveries (event_id, destination, status, attempts, due_ms)"
            " VALUES (?, 'crm', 'success', 1, ?)",
            ((row[0], row[1]) for row in chunk),
        )
        connection.executemany(
            "INSERT INTO attempts (event_id, destination, number, started_ms, latency_ms,"
            " status_code, response_headers, response_head)"
            " VALUES (?, 'crm', 1, ?, 2.0, 200, ?, ?)",
            ((row[0], row[1], '[["Server", "x"]]', b"ok") for row in chunk),
        )
        connection.execute("COMMIT")
    connection.execute("UPDATE counted SET last_seq = (SELECT max(seq) FROM events)")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


async def one(store: Store, scheduled_s: float, side: Side, body: bytes) -> None:
    """Keep an event, note how long its commit took, and settle its delivery."""
    clock = SystemClock()
    event = Event(
        new_id(), "slug", ENDPOINT_ID, clock.now_ms(), "opened", "192.0.2.1",
        EventStatus.RECEIVED, None, "application/json", HEADERS, body, "generic[0]",
    )  # fmt: skip
    added = await store.add_event(event, ["crm"], claim=["crm"])
    side.waits_ms.append((time.monotonic() - scheduled_s) * 1000)
    assert not isinstance(added, Duplicate)
    attempt = Attempt(
        event.id, "crm", 1, event.received_ms, 1.5, 200, None, None, (("Server", "x"),), b"ok", None
    )
    await store.record(added[0], attempt, Delivered())


async def load(store: Store, rate: float, seconds: float, side: Side) -> None:
    """Open loop: every commit has its time, and a late one counts from that."""
    began_s = time.monotonic()
    body = itertools.cycle(bodies())
    tasks = set()
    for number in range(int(rate * seconds)):
        at_s = began_s + number / rate
        await asyncio.sleep(max(0.0, at_s - time.monotonic()))
        task = asyncio.create_task(one(store, at_s, side, next(body)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)


async def prune(
    retention: HistoryRetention, store: Store, facts: list[object], seconds: float, side: Side
) -> None:
    """Have the duty delete for half of the time, then give back what that has left free."""
    facts.clear()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds / 2):
            await retention.step()
        raise RefusedError("retention came to an end of the old events: too few of them")
    side.events += sum(getattr(fact, "events", 0) for fact in facts)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds / 2):
            while gave := await store.give_back(PAGES):  # the duty keeps a reserve: not here
                side.pages += gave
                await asyncio.sleep(REST_MIN_S)


async def one_round(database: Path, rate: float, seconds: float) -> dict[str, Side]:
    sides = {kind: Side() for kind in KINDS}
    slice_s = seconds / SLICES
    await fill(database, int(OLD_EVENTS * seconds / 2))
    async with opened(database) as store:
        await store.open_lanes(["crm"])
        facts: list[object] = []
        spec = StorageSpec(events_ms=30 * DAY_MS, failed_ms=30 * DAY_MS)
        retention = HistoryRetention(spec, store, SystemClock(), facts.append)
        await load(store, rate, WARM_UP_S, Side())
        for number in range(2 * SLICES):
            kind = KINDS[number % 2]
            pruning = (
                prune(retention, store, facts, slice_s, sides[kind]) if kind == "pruning" else None
            )
            working = load(store, rate, slice_s, sides[kind])
            await asyncio.gather(*(one for one in (working, pruning) if one is not None))
    require_sound(database)
    return sides


def require_sound(database: Path) -> None:
    connection = sqlite3.connect(database)
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    connection.close()
    if verdict != "ok":
        raise RefusedError(f"the database is damaged: {verdict}")


def show(kind: str, side: Side, seconds: float) -> None:
    p50, p90, p99 = (percentile(side.waits_ms, share) for share in (0.5, 0.9, 0.99))
    done = (
        f"  {side.events / (seconds / 2):.0f} old events/s deleted, {side.pages} pages given back"
    )
    print(
        f"  {kind:<8} commit p50 {p50:.2f} p90 {p90:.2f} p99 {p99:.2f} "
        f"max {max(side.waits_ms):.2f} ms{done if kind == 'pruning' else ''}",
        flush=True,
    )


def doubts_of(ratios: Sequence[float], arguments: argparse.Namespace) -> list[str]:
    doubts = sides_doubts(PRUNING_P99, ratios, disturbed=0)
    if arguments.rate != STATED_RATE or arguments.seconds < STATED_S:
        doubts.append(f"stated for {STATED_RATE:g} events/s over {STATED_S:g} s or more")
    return doubts


def main() -> None:
    options = plain(__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=float, default=STATED_S, help="of each measurement")
    options.add_argument("--rate", type=float, default=STATED_RATE, help="events/s")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as base:
        print_facts(
            base,
            f"open loop, {arguments.rate:g} events/s of 1 KB with a delivery each, straight into "
            f"the store; {SLICES} slices alone and {SLICES} beside retention in turn, "
            f"{arguments.rounds} rounds of twice {arguments.seconds:g} s, new database each",
        )
        ratios = []
        for number in range(arguments.rounds):
            database = Path(base) / f"{number}.db"
            sides = uvloop.run(one_round(database, arguments.rate, arguments.seconds))
            ratios.append(sides["pruning"].p99_ms / sides["alone"].p99_ms)
            print(f"round {number + 1}: ratio {ratios[-1]:.3f}")
            for kind, side in sides.items():
                show(kind, side, arguments.seconds)
            database.unlink()
    print(judge(PRUNING_P99, statistics.median(ratios), doubts_of(ratios, arguments)))


if __name__ == "__main__":
    finish(main)
