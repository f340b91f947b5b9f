"""Durable ingest: 64 connections in a closed loop, no destination, against a bare handler.

python bench/ingest.py [--rounds 3] [--seconds 6] [--directory DIR]
"""

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import uvloop
from figures import INGEST, ceiling_doubts, judge, rounds_doubts
from load import CONNECTIONS, WARM_UP_S, Outcome, closed_loop, merged
from machine import finish, percentile, print_facts
from options import SLICES, endpoint_lines, load_doubts, load_text, parser
from proof import require_no_more, require_stored
from quiet import Watch, mean, uneven, watch
from servers import Server, ceiling, daemon, pin_load


@dataclass
class Run:
    outcome: Outcome
    seen: Watch

    @property
    def rate(self) -> float:
        return self.outcome.rate


def load(server: Server, seconds: float, provider: str) -> Outcome:
    outcome = uvloop.run(closed_loop(server.port, seconds=seconds, provider=provider))
    outcome.require_clean()
    return outcome


def measure(servers: Sequence[Server], seconds: float, provider: str) -> list[Run]:
    """Measure all servers in turn, slice by slice. Those that wait their turn use no CPU."""
    outcomes: list[list[Outcome]] = [[] for _ in servers]
    watches: list[list[Watch]] = [[] for _ in servers]
    for _ in range(SLICES):
        for number, server in enumerate(servers):
            with watch(server) as seen:
                outcomes[number].append(load(server, seconds / SLICES, provider))
            watches[number].append(seen)
    return [Run(merged(o), mean(w)) for o, w in zip(outcomes, watches, strict=True)]


def show(name: str, run: Run) -> None:
    waits = [(one.acked - one.sent) * 1000 for one in run.outcome.acked]
    p50, p90, p99 = (percentile(waits, share) for share in (0.5, 0.9, 0.99))
    print(
        f"  {name:<8} {run.rate:8.0f} events/s  202 p50 {p50:.1f} p90 {p90:.1f} "
        f"p99 {p99:.1f} max {max(waits):.1f} ms  {run.outcome.generator()}  {run.seen.text()}",
        flush=True,
    )


def one_round(directory: Path, arguments: argparse.Namespace) -> list[Run]:
    """Measure raw, bare and durable on core 0 together; what was acknowledged is stored."""
    with (
        ceiling(directory, "raw") as raw,
        ceiling(directory, "handler") as bare,
        daemon(directory, endpoint_lines=endpoint_lines(arguments)) as durable,
    ):
        warm = [load(one, WARM_UP_S, arguments.provider) for one in (raw, bare, durable)][-1]
        runs = measure((raw, bare, durable), arguments.seconds, arguments.provider)
    runs[-1].outcome.require_clean()
    acked = warm.ids | runs[-1].outcome.ids
    require_stored(directory / "bench.db", acked)
    require_no_more(directory / "bench.db", len(warm.acked) + len(runs[-1].outcome.acked))
    return runs


def main() -> None:
    arguments = parser(__doc__, seconds=6.0).parse_args()
    pin_load()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as base:
        print_facts(
            base,
            f"closed loop, {CONNECTIONS} connections, {load_text(arguments)}, no destination; "
            f"{arguments.rounds} rounds of {arguments.seconds:g} s in {SLICES} alternating slices, "
            "new database each",
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
            disturbed += uneven(bare.seen, durable.seen)
            doubts += bare.outcome.doubts + durable.outcome.doubts
    print("every acknowledged event is stored, and nothing else")
    doubts += rounds_doubts(ratios, disturbed) + ceiling_doubts(ratios)
    print(judge(INGEST, statistics.median(ratios), doubts))


if __name__ == "__main__":
    finish(main)
