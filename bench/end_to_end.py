"""Accepted, delivered, recorded: 64 connections in a closed loop, against a bare relay.

    python bench/end_to_end.py [--rounds 3] [--seconds 6] [--in-flight 16] [--directory DIR]

An event counts once its delivery is recorded, so the backlog left at the end of the load
is part of the time: rate = events / (first send until the last is recorded).
"""

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import uvloop
from figures import END_TO_END, ceiling_doubts, judge, rounds_doubts
from load import CONNECTIONS, WARM_UP_S, Outcome, closed_loop, merged
from machine import finish, print_facts
from options import SLICES, endpoint_lines, load_doubts, load_text, parser
from proof import arrived, recorded, require_delivered
from quiet import Watch, mean, uneven, watch
from servers import Server, ceiling, daemon, pin_load
from sink import Sink

MAX_IN_FLIGHT = 16


@dataclass
class Run:
    outcome: Outcome
    seen: Watch
    seconds: float
    backlog: int  # events accepted and not yet arrived when the load ended
    again: int  # arrivals of an event that had arrived before

    @property
    def rate(self) -> float:
        return len(self.outcome.acked) / self.seconds


async def measure(
    server: Server, sink: Sink, seconds: float, database: Path | None, provider: str
) -> Run:
    sink.reset()
    with watch(server) as seen:
        outcome = await closed_loop(server.port, seconds=seconds, provider=provider)
        outcome.require_clean()
        backlog = len(outcome.ids - sink.arrived.keys())
        await arrived(sink, outcome.ids)
        end = sink.last if database is None else await recorded(database)
    again = sink.requests - len(sink.arrived)
    return Run(outcome, seen, end - outcome.started, backlog, again)


def whole(runs: Sequence[Run]) -> Run:
    return Run(
        merged([run.outcome for run in runs]),
        mean([run.seen for run in runs]),
        sum(run.seconds for run in runs),
        max(run.backlog for run in runs),
        sum(run.again for run in runs),
    )


async def one_round(directory: Path, arguments: argparse.Namespace) -> tuple[Run, Run]:
    """Measure relay and daemon in turn, slice by slice; who waits its turn uses no CPU."""
    sink = Sink()
    await sink.start()
    url = f"http://127.0.0.1:{sink.port}/in"
    database = directory / "bench.db"
    provider, seconds = arguments.provider, arguments.seconds / SLICES
    bare, kept = [], []
    with (
        ceiling(directory, "relay", url, str(arguments.in_flight)) as relay,
        daemon(
            directory,
            url=url,
            endpoint_lines=endpoint_lines(arguments),
            destination_lines=[f"max_in_flight: {arguments.in_flight}"],
        ) as server,
    ):
        await measure(relay, sink, WARM_UP_S, None, provider)
        warm = await measure(server, sink, WARM_UP_S, database, provider)
        for _ in range(SLICES):
            bare.append(await measure(relay, sink, seconds, None, provider))
            kept.append(await measure(server, sink, seconds, database, provider))
    sink.close()
    run = whole(kept)
    run.outcome.require_clean()
    require_delivered(database, warm.outcome.ids | run.outcome.ids)
    return whole(bare), run


def show(name: str, run: Run) -> None:
    print(
        f"  {name:<8} {run.rate:8.0f} events/s over {run.seconds:.1f} s, "
        f"at most {run.backlog} still on their way when a slice ended, {run.again} arrived again; "
        f"{run.outcome.generator()}  {run.seen.text()}",
        flush=True,
    )


def main() -> None:
    options = parser(__doc__, seconds=6.0)
    options.add_argument(
        "--in-flight", type=int, default=MAX_IN_FLIGHT, help="of the destination and the relay"
    )
    arguments = options.parse_args()
    pin_load()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as base:
        print_facts(
            base,
            f"closed loop, {CONNECTIONS} connections, {load_text(arguments)}, one destination with "
            f"max_in_flight {arguments.in_flight}, as many relay workers; {arguments.rounds} "
            f"rounds of {arguments.seconds:g} s plus draining in {SLICES} alternating slices, new "
            "database each",
        )
        ratios, disturbed, doubts = [], 0, load_doubts(arguments)
        for number in range(arguments.rounds):
            directory = Path(base) / str(number)
            directory.mkdir()
            bare, kept = uvloop.run(one_round(directory, arguments))
            ratios.append(kept.rate / bare.rate)
            print(f"round {number + 1}: ratio {ratios[-1]:.3f}")
            show("relay", bare)
            show("daemon", kept)
            disturbed += uneven(bare.seen, kept.seen)
            doubts += bare.outcome.doubts + kept.outcome.doubts
    print("every acknowledged event arrived and is recorded as success")
    doubts += rounds_doubts(ratios, disturbed) + ceiling_doubts(ratios)
    print(judge(END_TO_END, statistics.median(ratios), doubts))


if __name__ == "__main__":
    finish(main)
