"""Durable ingest: 64 connections in a closed loop, no destination, against a bare handler.

python bench/ingest.py [--rounds 3] [--seconds 6] [--directory DIR]
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import uvloop
from load import Outcome, closed_loop
from machine import RefusedError, finish, percentile, print_facts, verdict, warn_spread
from servers import ceiling, daemon, pin_load, require_stored, stored_ids

MUST_RATIO = 0.40
CONNECTIONS = 64
WARM_UP_S = 1.0


def show(name: str, outcome: Outcome) -> None:
    waits = [(one.acked - one.sent) * 1000 for one in outcome.acked]
    p50, p90, p99 = (percentile(waits, share) for share in (0.5, 0.9, 0.99))
    print(
        f"  {name:<8} {outcome.rate:8.0f} events/s  202 p50 {p50:.1f} p90 {p90:.1f} "
        f"p99 {p99:.1f} max {max(waits):.1f} ms  {outcome.generator()}",
        flush=True,
    )


def one_round(directory: Path, seconds: float) -> tuple[Outcome, Outcome]:
    with ceiling(directory, "handler") as server:
        uvloop.run(closed_loop(server.port, seconds=WARM_UP_S, connections=CONNECTIONS))
        bare = uvloop.run(closed_loop(server.port, seconds=seconds, connections=CONNECTIONS))
    bare.require_clean()
    with daemon(directory) as server:
        warm = uvloop.run(closed_loop(server.port, seconds=WARM_UP_S, connections=CONNECTIONS))
        durable = uvloop.run(closed_loop(server.port, seconds=seconds, connections=CONNECTIONS))
    warm.require_clean()
    durable.require_clean()
    database = directory / "bench.db"
    acked = {one.event_id for one in warm.acked + durable.acked}
    require_stored(database, acked)
    extra = len(stored_ids(database)) - len(acked)
    if extra:
        raise RefusedError(f"{extra} events are stored that nobody was told of")
    return bare, durable


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
            f"closed loop, {CONNECTIONS} connections, 1 KB bodies, HMAC, no destination; "
            f"{arguments.rounds} alternating rounds of {arguments.seconds:g} s, new database each",
        )
        ratios = []
        for number in range(arguments.rounds):
            directory = Path(base) / str(number)
            directory.mkdir()
            bare, durable = one_round(directory, arguments.seconds)
            ratios.append(durable.rate / bare.rate)
            print(f"round {number + 1}: ratio {ratios[-1]:.3f}")
            show("bare", bare)
            show("durable", durable)
        print("every acknowledged event is stored, and nothing else")
        warn_spread(ratios)
        verdict("ingest ratio (median)", statistics.median(ratios), MUST_RATIO, at_least=True)


if __name__ == "__main__":
    finish(main)
