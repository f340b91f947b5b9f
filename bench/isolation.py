"""What sick destinations cost the healthy, what idle ones cost, and how a held backlog drains.

    python bench/isolation.py [lanes|idle|drain ...] [--rounds 3] [--seconds 20] [--rate 20]

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
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import uvloop
from load import SECRET, SLUG, Outcome, open_loop
from machine import RefusedError, finish, percentile, print_facts
from seed import fill
from servers import Server, free_port, pin_load
from sink import OK, Listener, Peer, header

HEALTHY, DEAD, HANGING, SLOW = 30, 10, 5, 5
IDLE = 1000
IDLE_S = 60.0
SETTLE_S = 12.0
DEAD_PORT = 9
RAMP_S = 10.0
DRAINED = "drained"
OTHER = "other"
SHARE, P99_RATIO, IDLE_CPU, IDLE_MB, DRAIN_SHARE = 0.9, 1.5, 0.01, 150.0, 0.8


class Sinks(Listener):
    """One listener for all: the path says who is meant and how it answers."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived: list[tuple[str, str, float]] = []  # event id, destination, when

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
        if name.startswith("hanging"):
            return
        if name.startswith("slow"):
            self._drip_on(b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n")
            return
        event_id = (header(head, b"x-dispatch-event-id") or b"").decode()
        self._sinks.arrived.append((event_id, name, time.monotonic()))
        self.write(OK)

    def _drip_on(self, rest: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self.write(rest[:1] or b"x")
        self._drip = asyncio.get_running_loop().call_later(1.0, self._drip_on, rest[1:])


def config_text(port: int, database: Path, links: list[str], destinations: list[str]) -> str:
    rows = "\n".join(f"  {line}" for line in destinations)
    return (
        f"server: {{listen: '127.0.0.1:{port}'}}\nstorage: {{url: 'sqlite:///{database}'}}\n"
        f"endpoints:\n  {SLUG}: {{secret: {SECRET}, destinations: [{', '.join(links)}]}}\n"
        f"destinations:\n{rows}\n"
    )


@contextlib.contextmanager
def serving(
    base: Path, database: str, links: list[str], destinations: list[str]
) -> Iterator[Server]:
    port = free_port()
    config = base / "config.yaml"
    config.write_text(config_text(port, base / database, links, destinations))
    command = ["-m", "dispatchd", "serve", "--config", str(config), "--log-format", "json"]
    server = Server([sys.executable, *command], port, base / "daemon.log")
    try:
        server.wait_ready()
        yield server
    finally:
        server.stop()


def names(*, sick: bool) -> list[str]:
    made = [f"healthy{n}" for n in range(HEALTHY)]
    if sick:
        made += [f"dead{n}" for n in range(DEAD)]
        made += [f"hanging{n}" for n in range(HANGING)]
        made += [f"slow{n}" for n in range(SLOW)]
    return made


def destination(name: str, sink_port: int) -> str:
    port = DEAD_PORT if name.startswith("dead") else sink_port
    return f"{name}: {{url: 'http://127.0.0.1:{port}/{name}'}}"


def latencies_ms(outcome: Outcome, sinks: Sinks, *, prefix: str) -> list[float]:
    """From when each event was due until each destination first had it."""
    due = {one.event_id: one.scheduled for one in outcome.acked}
    seen: set[tuple[str, str]] = set()
    made = []
    for event_id, name, at in sinks.arrived:
        if name.startswith(prefix) and event_id in due and (event_id, name) not in seen:
            seen.add((event_id, name))
            made.append((at - due[event_id]) * 1000)
    return made


async def loaded(server: Server, rate: float, seconds: float) -> Outcome:
    await open_loop(server.port, rate=rate, seconds=2.0)
    outcome = await open_loop(server.port, rate=rate, seconds=seconds)
    await asyncio.sleep(1.0)  # the last deliveries
    outcome.require_clean()
    return outcome


async def one_round(
    base: Path, arguments: argparse.Namespace, *, sick: bool
) -> tuple[float, float]:
    sinks = Sinks()
    await sinks.start()
    try:
        made = names(sick=sick)
        rows = [destination(name, sinks.port) for name in made]
        database = f"{time.monotonic_ns()}.db"
        with serving(base, database, made, rows) as server:
            cpu_s, started = server.cpu_s(), time.monotonic()
            outcome = await loaded(server, arguments.rate, arguments.seconds)
            share = (server.cpu_s() - cpu_s) / (time.monotonic() - started)
    finally:
        sinks.close()
    found = latencies_ms(outcome, sinks, prefix="healthy")
    rate = len(found) / arguments.seconds
    p99 = percentile(found, 0.99)
    wanted = len(outcome.acked) * HEALTHY
    print(
        f"  {'with 20 sick' if sick else '30 alone':<13} {rate:7.0f} deliveries/s to the healthy"
        f" ({len(found)} of {wanted}), p50 {percentile(found, 0.5):.1f} ms, p99 {p99:.1f} ms;"
        f" daemon {share:.0%} of a core; {outcome.generator()}",
        flush=True,
    )
    return rate, p99


def lanes(base: Path, arguments: argparse.Namespace) -> bool:
    print("lanes")
    rounds = []
    for _ in range(arguments.rounds):
        alone = uvloop.run(one_round(base, arguments, sick=False))
        rounds.append((alone, uvloop.run(one_round(base, arguments, sick=True))))
    share = statistics.median(sick[0] / alone[0] for alone, sick in rounds)
    ratio = statistics.median(sick[1] / alone[1] for alone, sick in rounds)
    print(f"  throughput of the healthy {share:.2f} x alone (bound {SHARE})")
    print(f"  their p99 {ratio:.2f} x alone (bound {P99_RATIO})")
    return share >= SHARE and ratio <= P99_RATIO


def idle(base: Path, arguments: argparse.Namespace) -> bool:
    del arguments
    print("idle")
    rows = [f"d{n}: {{url: 'http://127.0.0.1:{DEAD_PORT}/'}}" for n in range(IDLE)]
    with serving(base, "idle.db", ["d0"], rows) as server:
        time.sleep(SETTLE_S)
        cpu_s, started = server.cpu_s(), time.monotonic()
        time.sleep(IDLE_S)
        share = (server.cpu_s() - cpu_s) / (time.monotonic() - started)
        memory = server.memory_mb()
    print(f"  {IDLE} destinations: {share:.2%} of a core (bound {IDLE_CPU:.0%}),", end=" ")
    print(f"{memory:.0f} MB resident (bound {IDLE_MB:.0f})")
    return share <= IDLE_CPU and memory <= IDLE_MB


def hold(database: Path) -> None:
    """Leave the breaker open, as a daemon does that was stopped meanwhile."""
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "INSERT INTO holds (destination, kind, reason, since_ms) VALUES (?, 'breaker', '', 0)",
            (DRAINED,),
        )


async def drained(base: Path, database: str, arguments: argparse.Namespace) -> tuple[float, float]:
    """Return the drain's rate behind the ramp, and the p99 (ms) of new events to the other."""
    sinks = Sinks()
    await sinks.start()
    url = f"http://127.0.0.1:{sinks.port}"
    rows = [
        f"{DRAINED}: {{url: '{url}/{DRAINED}', breaker: {{probe_every: 1s}}}}",
        f"{OTHER}: {{url: '{url}/{OTHER}'}}",
    ]
    try:
        with serving(base, database, [OTHER], rows) as server:
            await asyncio.sleep(RAMP_S + 2)
            before, started = len(sinks.arrived), time.monotonic()
            await asyncio.sleep(arguments.seconds)
            rate = (len(sinks.arrived) - before) / (time.monotonic() - started)
            outcome = await loaded(server, arguments.rate, arguments.seconds)
            if sum(name == DRAINED for _, name, _ in sinks.arrived) >= arguments.deliveries:
                raise RefusedError("the backlog was gone before the measurement: --deliveries")
    finally:
        sinks.close()
    return rate, percentile(latencies_ms(outcome, sinks, prefix=OTHER), 0.99)


async def steady(base: Path, arguments: argparse.Namespace) -> tuple[float, float]:
    """Return the rate end to end at full load, and the p99 (ms) at the rate of new events."""
    from load import closed_loop  # noqa: PLC0415 - beside its only use

    sinks = Sinks()
    await sinks.start()
    rows = [f"{OTHER}: {{url: 'http://127.0.0.1:{sinks.port}/{OTHER}'}}"]
    try:
        with serving(base, "steady.db", [OTHER], rows) as server:
            outcome = await loaded(server, arguments.rate, arguments.seconds)
            p99 = percentile(latencies_ms(outcome, sinks, prefix=OTHER), 0.99)
            before, started = len(sinks.arrived), time.monotonic()
            full = await closed_loop(server.port, seconds=arguments.seconds)
            while len(sinks.arrived) - before < len(full.acked):
                await asyncio.sleep(0.01)
            rate = (len(sinks.arrived) - before) / (time.monotonic() - started)
    finally:
        sinks.close()
    return rate, p99


def drain(base: Path, arguments: argparse.Namespace) -> bool:
    print("drain")
    fill(base / "held.db", arguments.deliveries, DRAINED)
    hold(base / "held.db")
    rate, p99 = uvloop.run(steady(base, arguments))
    print(f"  end to end {rate:.0f} deliveries/s; new events p99 {p99:.1f} ms")
    drain_rate, drain_p99 = uvloop.run(drained(base, "held.db", arguments))
    share = drain_rate / rate
    print(f"  drain      {drain_rate:.0f} deliveries/s, {share:.2f} x (bound {DRAIN_SHARE})")
    print(f"  new events to another meanwhile: p99 {drain_p99:.1f} ms")
    return share >= DRAIN_SHARE


PARTS = {"lanes": lanes, "idle": idle, "drain": drain}


def measure() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=float, default=20.0)
    options.add_argument("--rate", type=float, default=20.0, help="new events a second")
    options.add_argument("--deliveries", type=int, default=1_000_000)
    options.add_argument("--directory")
    arguments = options.parse_args()
    pin_load()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as base:
        print_facts(base, f"1 KB bodies, HMAC, open loop of {arguments.rate:g} events/s")
        good = [PARTS[part](Path(base), arguments) for part in arguments.parts or PARTS]
    if not all(good):
        raise RefusedError("a bound was missed")


if __name__ == "__main__":
    finish(measure)
