"""Memory, start and ingest rate with a million deliveries queued for a dead destination.

    python bench/backlog.py [--deliveries 1000000] [--rounds 3] [--seconds 6] [--directory DIR]

The load's endpoint is linked to the dead destination with and without the backlog, so both
sides do the same work for a new event. A full run writes about 2 GB.
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import uvloop
from figures import BACKLOG_INGEST, BACKLOG_MB, FIRST_S, START_MB, judge, rounds_doubts
from first import first_accepted
from load import CONNECTIONS, SLUG, WARM_UP_S, Outcome, closed_loop
from machine import RefusedError, finish, print_facts
from options import endpoint_lines, load_doubts, load_text, parser
from proof import attempts, require_owed, require_stored
from quiet import Watch, watch
from seed import DEAD_URL, fill, require_dead
from servers import DESTINATION, daemon, pin_load

STATED_DELIVERIES = 1_000_000


@dataclass
class Run:
    outcome: Outcome
    seen: Watch
    events: int  # acknowledged, those before the measurement included
    start_mb: float
    load_mb: float
    peak_mb: float
    first_s: float
    attempts: int


def one_run(directory: Path, database: str, arguments: argparse.Namespace) -> Run:
    path, provider = directory / database, arguments.provider
    before = attempts(path) if path.exists() else 0
    lines = endpoint_lines(arguments)
    with daemon(
        directory, url=DEAD_URL, database=database, ready=False, endpoint_lines=lines
    ) as server:
        first = first_accepted(server, provider)
        first_s = time.monotonic() - server.started
        start_mb = server.memory_mb()
        warm = uvloop.run(closed_loop(server.port, seconds=WARM_UP_S, provider=provider))
        with watch(server) as seen:
            outcome = uvloop.run(
                closed_loop(server.port, seconds=arguments.seconds, provider=provider)
            )
        load_mb, peak_mb = server.memory_mb(), server.memory_mb("VmHWM")
    warm.require_clean()
    outcome.require_clean()
    acked = {first} | warm.ids | outcome.ids
    require_stored(path, acked)
    tried = attempts(path) - before
    if not tried:
        raise RefusedError(f"no delivery in {database} was tried: its lane was not live")
    return Run(outcome, seen, len(acked), start_mb, load_mb, peak_mb, first_s, tried)


def show(name: str, run: Run) -> None:
    print(
        f"  {name:<8} {run.outcome.rate:8.0f} events/s  RSS {run.start_mb:.0f} MB after the first "
        f"202, {run.load_mb:.0f} after load, peak {run.peak_mb:.0f}; first 202 {run.first_s:.2f} s;"
        f" {run.attempts} attempts; {run.outcome.generator()}  {run.seen.text()}{run.seen.note}",
        flush=True,
    )


def main() -> None:
    options = parser(__doc__, seconds=6.0)
    options.add_argument("--deliveries", type=int, default=STATED_DELIVERIES)
    arguments = options.parse_args()
    pin_load()
    require_dead()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as base:
        directory = Path(base)
        print_facts(
            base,
            f"{arguments.deliveries} deliveries due now for a refused port; closed loop to "
            f"/hooks/{SLUG}, {CONNECTIONS} connections, {load_text(arguments)}, linked to the same "
            f"destination; {arguments.rounds} alternating rounds of {arguments.seconds:g} s; "
            "page cache warm",
        )
        full = directory / "full.db"
        fill(full, arguments.deliveries, DESTINATION)
        print(f"database  {full.stat().st_size / 1e6:.0f} MB", flush=True)
        empties, fulls = [], []
        for number in range(arguments.rounds):
            empties.append(one_run(directory, f"empty{number}.db", arguments))
            show("empty", empties[-1])
            fulls.append(one_run(directory, full.name, arguments))
            show("backlog", fulls[-1])
        require_owed(full, arguments.deliveries + sum(run.events for run in fulls))
    pairs = list(zip(fulls, empties, strict=True))
    ratios = [kept.outcome.rate / empty.outcome.rate for kept, empty in pairs]
    print("every acknowledged event is stored, no queued delivery is gone, the lane was live")
    stated = load_doubts(arguments)
    if arguments.deliveries < STATED_DELIVERIES:
        stated.append(f"stated for {STATED_DELIVERIES} deliveries")
    doubts = stated + [one for run in empties + fulls for one in run.outcome.doubts]
    disturbed = sum(kept.seen.disturbed or empty.seen.disturbed for kept, empty in pairs)
    doubts += rounds_doubts(ratios, disturbed)
    # What others do to the cores cannot make memory smaller or a start faster.
    print(judge(START_MB, max(run.start_mb for run in empties), load_doubts(arguments)))
    print(judge(BACKLOG_MB, max(run.peak_mb for run in fulls), stated))
    print(judge(FIRST_S, max(run.first_s for run in fulls), stated))
    print(judge(BACKLOG_INGEST, statistics.median(ratios), doubts))


if __name__ == "__main__":
    finish(main)
