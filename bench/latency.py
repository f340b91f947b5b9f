"""Latency at 500 events/s: the 202, and from sending to arrival at the destination.

    python bench/latency.py [--rate 500] [--seconds 20] [--directory DIR]

Open loop: every request has its time, and a late one counts from that time, so a stall is
seen by all who would have come during it. Timers have a resolution of 1 ms.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import uvloop
from figures import ACCEPTED_P99, ARRIVAL_P50, ARRIVAL_P99, judge
from load import CONNECTIONS, Outcome, open_loop
from machine import finish, percentile, print_facts
from options import endpoint_lines, load_doubts, load_text, parser
from proof import arrived, recorded, require_delivered
from quiet import Watch, watch
from servers import daemon, pin_load
from sink import Sink

STATED_RATE = 500.0
STATED_S = 20.0
WARM_UP_S = 2.0


def show(name: str, values: Sequence[float]) -> None:
    p50, p90, p99 = (percentile(values, share) for share in (0.5, 0.9, 0.99))
    print(f"  {name:<28} p50 {p50:.2f}  p90 {p90:.2f}  p99 {p99:.2f}  max {max(values):.2f} ms")


async def measure(directory: Path, arguments: argparse.Namespace) -> tuple[Outcome, Sink, Watch]:
    sink = Sink()
    await sink.start()
    database = directory / "bench.db"
    rate, provider = arguments.rate, arguments.provider
    url = f"http://127.0.0.1:{sink.port}/in"
    with daemon(directory, url=url, endpoint_lines=endpoint_lines(arguments)) as server:
        warm = await open_loop(server.port, rate=rate, seconds=WARM_UP_S, provider=provider)
        warm.require_clean()
        await arrived(sink, warm.ids)
        await recorded(database)
        with watch(server) as seen:
            outcome = await open_loop(
                server.port, rate=rate, seconds=arguments.seconds, provider=provider
            )
        outcome.require_clean()
        await arrived(sink, outcome.ids)
        await recorded(database)
    sink.close()
    require_delivered(database, warm.ids | outcome.ids)
    return outcome, sink, seen


def main() -> None:
    options = parser(__doc__, seconds=STATED_S, rounds=None)
    options.add_argument("--rate", type=float, default=STATED_RATE, help="events/s")
    arguments = options.parse_args()
    pin_load()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as base:
        print_facts(
            base,
            f"open loop, {arguments.rate:g} events/s for {arguments.seconds:g} s, {CONNECTIONS} "
            f"connections, {load_text(arguments)}, one destination; times from the schedule "
            "unless said otherwise",
        )
        outcome, sink, seen = uvloop.run(measure(Path(base), arguments))
    answers = [(one.acked - one.scheduled) * 1000 for one in outcome.acked]
    own = [(one.acked - one.sent) * 1000 for one in outcome.acked]
    late = [(one.sent - one.scheduled) * 1000 for one in outcome.acked]
    arrivals = [(sink.arrived[one.event_id] - one.sent) * 1000 for one in outcome.acked]
    print(f"{len(outcome.acked)} events, {outcome.generator()}  {seen.text()}{seen.note}")
    show("202", answers)
    show("202 from sending", own)
    show("generator behind schedule", late)
    show("arrival, from sending", arrivals)
    print("every acknowledged event arrived and is recorded as success")
    doubts = load_doubts(arguments) + outcome.doubts
    if arguments.rate != STATED_RATE or arguments.seconds < STATED_S:
        doubts.append(f"stated for {STATED_RATE:g} events/s over {STATED_S:g} s or more")
    if seen.disturbed:
        doubts.append("the run was disturbed")
    print(judge(ACCEPTED_P99, percentile(answers, 0.99), doubts))
    print(judge(ARRIVAL_P50, percentile(arrivals, 0.5), doubts))
    print(judge(ARRIVAL_P99, percentile(arrivals, 0.99), doubts))


if __name__ == "__main__":
    finish(main)
