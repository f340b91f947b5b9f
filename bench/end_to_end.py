"""Accepted, delivered, recorded: 64 connections in a closed loop, against a bare relay.

    python bench/end_to_end.py [--rounds 3] [--seconds 6] [--directory DIR]

An event counts once its delivery is recorded, so the backlog left at the end of the load
is part of the time: rate = events / (first send until the last is recorded).
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import uvloop
from load import Outcome, closed_loop
from machine import RefusedError, finish, print_facts, verdict, warn_spread
from servers import (
    ceiling,
    daemon,
    delivery_counts,
    pin_load,
    require_stored,
    unfinished,
)
from sink import Sink

MUST_RATIO = 0.50
CONNECTIONS = 64
MAX_IN_FLIGHT = 16
WARM_UP_S = 1.0
DRAIN_S = 120.0
POLL_S = 0.05


@dataclass
class Run:
    outcome: Outcome
    seconds: float
    backlog: int  # events accepted and not yet arrived when the load ended

    @property
    def rate(self) -> float:
        return len(self.outcome.acked) / self.seconds


async def arrived(sink: Sink, acked: set[str]) -> None:
    end = time.monotonic() + DRAIN_S
    while acked - sink.arrived.keys():
        if time.monotonic() > end:
            missing = len(acked - sink.arrived.keys())
            raise RefusedError(f"{missing} acknowledged events never arrived")
        await asyncio.sleep(POLL_S)


async def recorded(database: Path) -> float:
    """When nothing is owed any more. Asking is cheap: the due index is then empty."""
    end = time.monotonic() + DRAIN_S
    while await asyncio.to_thread(unfinished, database):
        if time.monotonic() > end:
            raise RefusedError(f"deliveries not recorded as success: {delivery_counts(database)}")
        await asyncio.sleep(POLL_S)
    return time.monotonic()


async def measure(port: int, sink: Sink, seconds: float, database: Path | None) -> Run:
    sink.reset()
    outcome = await closed_loop(port, seconds=seconds, connections=CONNECTIONS)
    outcome.require_clean()
    acked = {one.event_id for one in outcome.acked}
    backlog = len(acked - sink.arrived.keys())
    await arrived(sink, acked)
    end = sink.last if database is None else await recorded(database)
    return Run(outcome, end - outcome.started, backlog)


async def relay_round(directory: Path, seconds: float) -> Run:
    sink = Sink()
    await sink.start()
    url = f"http://127.0.0.1:{sink.port}/in"
    with ceiling(directory, "relay", url, str(MAX_IN_FLIGHT)) as server:
        await measure(server.port, sink, WARM_UP_S, None)
        run = await measure(server.port, sink, seconds, None)
    sink.close()
    return run


async def daemon_round(directory: Path, seconds: float) -> Run:
    sink = Sink()
    await sink.start()
    database = directory / "bench.db"
    lines = [f"max_in_flight: {MAX_IN_FLIGHT}"]
    url = f"http://127.0.0.1:{sink.port}/in"
    with daemon(directory, url=url, destination_lines=lines) as server:
        warm = await measure(server.port, sink, WARM_UP_S, database)
        run = await measure(server.port, sink, seconds, database)
    sink.close()
    acked = {one.event_id for one in warm.outcome.acked + run.outcome.acked}
    require_stored(database, acked)
    counts = delivery_counts(database)
    if counts != {"success": len(acked)}:
        raise RefusedError(f"{len(acked)} events acknowledged, deliveries by status: {counts}")
    return run


def show(name: str, run: Run) -> None:
    print(
        f"  {name:<8} {run.rate:8.0f} events/s over {run.seconds:.1f} s, "
        f"{run.backlog} still on their way when the load ended; {run.outcome.generator()}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--directory", help="where the databases go; default: the system's temp")
    arguments = parser.parse_args()
    pin_load()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as base:
        print_facts(
            base,
            f"closed loop, {CONNECTIONS} connections, 1 KB bodies, HMAC, one destination with "
            f"max_in_flight {MAX_IN_FLIGHT}; {arguments.rounds} alternating rounds of "
            f"{arguments.seconds:g} s plus draining, new database each",
        )
        ratios = []
        for number in range(arguments.rounds):
            directory = Path(base) / str(number)
            directory.mkdir()
            bare = uvloop.run(relay_round(directory, arguments.seconds))
            kept = uvloop.run(daemon_round(directory, arguments.seconds))
            ratios.append(kept.rate / bare.rate)
            print(f"round {number + 1}: ratio {ratios[-1]:.3f}")
            show("relay", bare)
            show("daemon", kept)
        print("every acknowledged event arrived and is recorded as success")
        warn_spread(ratios)
        verdict("end to end ratio (median)", statistics.median(ratios), MUST_RATIO, at_least=True)


if __name__ == "__main__":
    finish(main)
