"""Durable ingest: 64 connections in a closed loop, no destination, against a bare handler.

python bench/ingest.py [--rounds 3] [--seconds 6] [--directory DIR]
"""

import argparse
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import uvloop
from figures import INGEST, ceiling_doubts, judge, rounds_doubts
from load import CONNECTIONS, WARM_UP_S, Outcome, closed_loop
from machine import finish, percentile, print_facts
from options import endpoint_lines, load_doubts, load_text, parser
from proof import require_no_more, require_stored
from quiet import Watch, watch
from servers import Server, ceiling, daemon, pin_load


@dataclass
class Run:
    outcome: Outcome
    seen: Watch
    warm: set[str]  # events of the warm-up: not counted, but owed like any other

    @property
    def rate(self) -> float:
        return self.outcome.rate


def measure(server: Server, seconds: float, provider: str) -> Run:
    warm = uvloop.run(closed_loop(server.port, seconds=WARM_UP_S, provider=provider))
    with watch(server) as seen:
        outcome = uvloop.run(closed_loop(server.port, seconds=seconds, provider=provider))
    warm.require_clean()
    outcome.require_clean()
    return Run(outcome, seen, warm.ids)


def show(name: str, run: Run) -> None:
    waits = [(one.acked - one.sent) * 1000 for one in run.outcome.acked]
    p50, p90, p99 = (percentile(waits, share) for share in (0.5, 0.9, 0.99))
    print(
        f"  {name:<8} {run.rate:8.0f} events/s  202 p50 {p50:.1f} p90 {p90:.1f} "
        f"p99 {p99:.1f} max {max(waits):.1f} ms  {run.outcome.generator()}  {run.seen.text()}",
        flush=True,
    )


def one_round(directory: Path, arguments: argparse.Namespace) -> tuple[Run, Run, Run]:
    with ceiling(directory, "raw") as server:
        raw = measure(server, arguments.seconds, arguments.provider)
    with ceiling(directory, "handler") as server:
        bare = measure(server, arguments.seconds, arguments.provider)
    with daemon(directory, endpoint_lines=endpoint_lines(arguments)) as server:
        durable = measure(server, arguments.seconds, arguments.provider)
    acked = durable.warm | durable.outcome.ids
    require_stored(directory / "bench.db", acked)
    require_no_more(directory / "bench.db", len(durable.warm) + len(durable.outcome.acked))
    return raw, bare, durable


def main() -> None:
    arguments = parser(__doc__, seconds=6.0).parse_args()
    pin_load()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as base:
        print_facts(
            base,
            f"closed loop, {CONNECTIONS} connections, {load_text(arguments)}, no destination; "
            f"{arguments.rounds} alternating rounds of {arguments.seconds:g} s, new database each",
        )
        ratios, disturbed, doubts = [], 0, load_doubts(arguments)
        for number in range(arguments.rounds):
            directory = Path(base) / str(number)
            directory.mkdir()
            raw, bare, durable = one_round(directory, arguments)
            ratios.append(durable.rate / bare.rate)
            print(f"round {number + 1}: ratio {ratios[-1]:.3f} ({durable.rate / raw.rate:.3f} raw)")
            show("raw", raw)
            show("bare", bare)
            show("durable", durable)
            disturbed += bare.seen.disturbed or durable.seen.disturbed
            doubts += bare.outcome.doubts + durable.outcome.doubts
    print("every acknowledged event is stored, and nothing else")
    doubts += rounds_doubts(ratios, disturbed) + ceiling_doubts(ratios)
    print(judge(INGEST, statistics.median(ratios), doubts))


if __name__ == "__main__":
    finish(main)
