"""What sick destinations cost the healthy, what idle ones cost, and how a held backlog drains.

    python bench/isolation.py [--figures lanes,idle,drain] [--rounds 3] [--seconds 20] [--rate 20]
                              [--deliveries 1000000] [--directory DIR]

lanes: an open loop of events, each to 30 healthy destinations, and in every second round also to
10 that refuse connections, 5 that never answer and 5 that answer a byte a second. What counts is
what the healthy get: deliveries a second, and the p99 from when an event was due to be sent until
it arrived. The rate is the same in both, below what the daemon can do: at full load more rows for
each event would be measured, not isolation.

idle: 1,000 destinations and nothing to do: share of a core and resident memory.

drain: deliveries held for one destination by an open breaker, which the daemon finds when it
starts; the destination answers. Its rate once the ramp is over, against the rate of deliveries end
to end of the same daemon; and the p99 of new events to another destination meanwhile, against that
of an empty database.
"""

import argparse
import asyncio
import contextlib
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvloop
from figures import (
    BESIDE_DRAIN_P99,
    DRAIN_RATE,
    IDLE_CPU,
    IDLE_MB,
    SICK_P99,
    SICK_RATE,
    judge,
    rounds_doubts,
    sides_doubts,
)
from load import SECRET, SLUG, Outcome, closed_loop, open_loop
from machine import RefusedError, finish, percentile, print_facts
from options import add_figures, plain
from proof import arrived, lanes_tried, require_stored
from quiet import Watch, watch
from seed import DEAD_PORT, fill, require_dead
from servers import Server, free_port, pin_load, serving
from sink import OK, Peer, Sink, header

HEALTHY, DEAD, HANGING, SLOW = 30, 10, 5, 5
IDLE = 1000
IDLE_TIMES = 3  # as long as the other measurements: it is a small share that is to be seen
SETTLE_S = 12.0
WARM_UP_S = 2.0
IN_TIME_S = 1.0  # after the last event: what arrives later is late, and counts as not delivered
RAMP_S = 10.0
DRAINED = "drained"
OTHER = "other"
STATED_RATE = 20.0
STATED_S = 20.0
STATED_DELIVERIES = 1_000_000


class Sinks(Sink):
    """The path says who is meant and how it answers; `arrived` has "name/event id"."""

    def __init__(self) -> None:
        super().__init__()
        self.silent: set[str] = set()  # the hanging and the slow that were asked

    def peer(self) -> asyncio.Protocol:
        return _Any(self)


class _Any(Peer):
    def __init__(self, sinks: Sinks) -> None:
        super().__init__()
        self._sinks = sinks
        self._drip: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._drip is not None:
            self._drip.cancel()

    def asked(self, head: bytes) -> None:
        name = head.split(b" ", 2)[1].decode().strip("/")
        if name.startswith(("hanging", "slow")):
            self._sinks.silent.add(name)
            if name.startswith("slow"):
                self._drip_on(b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n")
            return
        event_id = (header(head, b"x-dispatch-event-id") or b"").decode()
        self._sinks.note(f"{name}/{event_id}")
        self.write(OK)

    def _drip_on(self, rest: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self.write(rest[:1] or b"x")
        self._drip = asyncio.get_running_loop().call_later(1.0, self._drip_on, rest[1:])


@dataclass
class Run:
    """What the healthy got while events came at the rate."""

    outcome: Outcome
    waits_ms: list[float]  # of what arrived in time, from when its event was due to be sent
    seconds: float
    seen: Watch

    @property
    def p99_ms(self) -> float:
        return percentile(self.waits_ms, 0.99)

    @property
    def rate(self) -> float:
        return len(self.waits_ms) / self.seconds


def configured(database: Path, links: list[str], destinations: list[str]) -> tuple[Path, int]:
    """Write a config beside the database; where it is, and the port it listens on."""
    port, config = free_port(), database.with_name("config.yaml")
    rows = "\n".join(f"  {line}" for line in destinations)
    config.write_text(
        f"server: {{listen: '127.0.0.1:{port}'}}\nstorage: {{url: 'sqlite:///{database}'}}\n"
        f"endpoints:\n  {SLUG}: {{secret: {SECRET}, destinations: [{', '.join(links)}]}}\n"
        f"destinations:\n{rows}\n"
    )
    return config, port


def destination(name: str, port: int, more: str = "") -> str:
    return f"{name}: {{url: 'http://127.0.0.1:{port}/{name}'{more}}}"


def named(kind: str, count: int) -> list[str]:
    return [f"{kind}{number}" for number in range(count)]


async def loaded(
    server: Server, sinks: Sinks, names: list[str], arguments: argparse.Namespace
) -> Run:
    """Events at the rate; each must arrive at all of `names`, and counts if it does in time."""
    warm = await open_loop(server.port, rate=arguments.rate, seconds=WARM_UP_S)
    warm.require_clean()
    with watch(server) as seen:
        outcome = await open_loop(server.port, rate=arguments.rate, seconds=arguments.seconds)
        await asyncio.sleep(IN_TIME_S)
    outcome.require_clean()
    due = {f"{name}/{one.event_id}": one.scheduled for one in outcome.acked for name in names}
    waits = [(sinks.arrived[key] - due[key]) * 1000 for key in due.keys() & sinks.arrived.keys()]
    await arrived(sinks, due.keys() | {f"{name}/{one}" for one in warm.ids for name in names})
    return Run(outcome, waits, arguments.seconds, seen)


async def one_round(database: Path, arguments: argparse.Namespace, *, sick: bool) -> Run:
    sinks = Sinks()
    await sinks.start()
    healthy, dead = named("healthy", HEALTHY), named("dead", DEAD) if sick else []
    silent = [*named("hanging", HANGING), *named("slow", SLOW)] if sick else []
    rows = [destination(name, sinks.port) for name in healthy + silent]
    rows += [destination(name, DEAD_PORT) for name in dead]
    config, port = configured(database, healthy + dead + silent, rows)
    with serving(config, port) as server:
        run = await loaded(server, sinks, healthy, arguments)
    sinks.close()
    require_stored(database, run.outcome.ids)
    untried = {*dead, *silent} - lanes_tried(database) - sinks.silent
    if untried:
        raise RefusedError(f"{len(untried)} sick destinations were never tried")
    wanted = len(run.outcome.acked) * HEALTHY
    print(
        f"  {'with 20 sick' if sick else '30 alone':<13} {run.rate:7.0f} deliveries/s to the "
        f"healthy ({len(run.waits_ms)} of {wanted} in time), "
        f"p50 {percentile(run.waits_ms, 0.5):.1f} ms, p99 {run.p99_ms:.1f} ms; "
        f"{run.outcome.generator()}  {run.seen.text()}{run.seen.note}",
        flush=True,
    )
    return run


def lanes(base: Path, arguments: argparse.Namespace) -> None:
    print("lanes")
    rates, tails, disturbed, doubts = [], [], 0, load_doubts(arguments)
    for number in range(arguments.rounds):
        alone = uvloop.run(one_round(base / f"alone{number}.db", arguments, sick=False))
        beside = uvloop.run(one_round(base / f"sick{number}.db", arguments, sick=True))
        rates.append(beside.rate / alone.rate)
        tails.append(beside.p99_ms / alone.p99_ms)
        disturbed += alone.seen.disturbed or beside.seen.disturbed
        doubts += alone.outcome.doubts + beside.outcome.doubts
    rate_doubts = doubts + rounds_doubts(rates, disturbed)
    print(judge(SICK_RATE, statistics.median(rates), rate_doubts))
    tail_doubts = doubts + sides_doubts(SICK_P99, tails, disturbed)
    print(judge(SICK_P99, statistics.median(tails), tail_doubts), flush=True)


def idle(base: Path, arguments: argparse.Namespace) -> None:
    print("idle")
    rows = [destination(name, DEAD_PORT) for name in named("d", IDLE)]
    config, port = configured(base / "idle.db", ["d0"], rows)
    with serving(config, port) as server:
        time.sleep(SETTLE_S)
        with watch(server) as seen:
            time.sleep(IDLE_TIMES * arguments.seconds)
        memory_mb = server.memory_mb()
    print(f"  {IDLE} destinations: {seen.server:.2%} of a core, {memory_mb:.0f} MB resident")
    doubts = length_doubts(arguments)
    if seen.disturbed:
        doubts.append("the run was disturbed")
    print(judge(IDLE_CPU, seen.server * 100, doubts))
    # What others do to the cores cannot make memory smaller.
    print(judge(IDLE_MB, memory_mb), flush=True)


def hold(database: Path) -> None:
    """Leave the breaker open, as a daemon does that was stopped meanwhile."""
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "INSERT INTO holds (destination, kind, reason, since_ms) VALUES (?, 'breaker', '', 0)",
            (DRAINED,),
        )


async def steady(database: Path, arguments: argparse.Namespace) -> tuple[float, Run, list[str]]:
    """The rate end to end at full load, what came at the rate of new events, and doubts."""
    sinks = Sinks()
    await sinks.start()
    config, port = configured(database, [OTHER], [destination(OTHER, sinks.port)])
    with serving(config, port) as server:
        run = await loaded(server, sinks, [OTHER], arguments)
        started = time.monotonic()
        with watch(server) as seen:
            full = await closed_loop(server.port, seconds=arguments.seconds)
            full.require_clean()
            await arrived(sinks, {f"{OTHER}/{one}" for one in full.ids})
    sinks.close()
    require_stored(database, run.outcome.ids | full.ids)
    rate = len(full.acked) / (sinks.last - started)
    print(
        f"  end to end {rate:.0f} deliveries/s  {seen.text()}{seen.note}; "
        f"new events p99 {run.p99_ms:.1f} ms  {run.seen.text()}{run.seen.note}",
        flush=True,
    )
    return rate, run, full.doubts + (["the full load was disturbed"] if seen.disturbed else [])


async def drained(database: Path, arguments: argparse.Namespace) -> tuple[float, Run, list[str]]:
    """The drain's rate behind the ramp, what new events to the other met, and doubts."""
    sinks = Sinks()
    await sinks.start()
    rows = [
        destination(DRAINED, sinks.port, ", breaker: {probe_every: 1s}"),
        destination(OTHER, sinks.port),
    ]
    config, port = configured(database, [OTHER], rows)
    with serving(config, port) as server:
        await asyncio.sleep(RAMP_S + 2)
        before, started = len(sinks.arrived), time.monotonic()
        with watch(server) as seen:
            await asyncio.sleep(arguments.seconds)
        rate = (len(sinks.arrived) - before) / (time.monotonic() - started)
        run = await loaded(server, sinks, [OTHER], arguments)
        if sum(key.startswith(DRAINED) for key in sinks.arrived) >= arguments.deliveries:
            raise RefusedError("the backlog was gone before the measurement: --deliveries")
    sinks.close()
    require_stored(database, run.outcome.ids)
    print(
        f"  drain      {rate:.0f} deliveries/s  {seen.text()}{seen.note}; "
        f"new events beside it p99 {run.p99_ms:.1f} ms  {run.seen.text()}{run.seen.note}",
        flush=True,
    )
    return rate, run, ["the drain was disturbed"] if seen.disturbed else []


def drain(base: Path, arguments: argparse.Namespace) -> None:
    print("drain")
    held = base / "held.db"
    fill(held, arguments.deliveries, DRAINED)
    hold(held)
    rate, alone, full_doubts = uvloop.run(steady(base / "steady.db", arguments))
    drain_rate, beside, drain_doubts = uvloop.run(drained(held, arguments))
    stated = []
    if arguments.deliveries < STATED_DELIVERIES:
        stated.append(f"stated for {STATED_DELIVERIES} deliveries")
    rate_doubts = [*stated, *length_doubts(arguments), *full_doubts, *drain_doubts]
    print(judge(DRAIN_RATE, drain_rate / rate, rate_doubts))
    tail = beside.p99_ms / alone.p99_ms
    tail_doubts = stated + load_doubts(arguments) + alone.outcome.doubts + beside.outcome.doubts
    disturbed = int(alone.seen.disturbed or beside.seen.disturbed)
    tail_doubts += sides_doubts(BESIDE_DRAIN_P99, [tail], disturbed)
    print(judge(BESIDE_DRAIN_P99, tail, tail_doubts), flush=True)


def length_doubts(arguments: argparse.Namespace) -> list[str]:
    return [f"stated for {STATED_S:g} s or more"] if arguments.seconds < STATED_S else []


def load_doubts(arguments: argparse.Namespace) -> list[str]:
    rate = [f"stated for {STATED_RATE:g} events/s"] if arguments.rate != STATED_RATE else []
    return rate + length_doubts(arguments)


PARTS: dict[str, Callable[[Path, argparse.Namespace], None]] = {
    "lanes": lanes,
    "idle": idle,
    "drain": drain,
}


def main() -> None:
    options = plain(__doc__)
    add_figures(options, PARTS)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=float, default=STATED_S, help="of each measurement")
    options.add_argument("--rate", type=float, default=STATED_RATE, help="new events a second")
    options.add_argument("--deliveries", type=int, default=STATED_DELIVERIES, help="that are held")
    arguments = options.parse_args()
    pin_load()
    require_dead()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as base:
        print_facts(
            base,
            f"1 KB bodies, HMAC, open loop of {arguments.rate:g} events/s for "
            f"{arguments.seconds:g} s; {arguments.rounds} rounds of the lanes, new database each",
        )
        for part in arguments.figures:
            PARTS[part](Path(base), arguments)
    if arguments.figures != ["idle"]:
        print("every acknowledged event is stored, and arrived at each healthy destination")


if __name__ == "__main__":
    finish(main)
