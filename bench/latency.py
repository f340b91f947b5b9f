"""Latency at 500 events/s: the 202, and from sending to arrival at the destination.

    python bench/latency.py [--rate 500] [--seconds 20] [--directory DIR]

Open loop: every request has its time, and a late one counts from that time, so a stall is
seen by all who would have come during it. Timers have a resolution of 1 ms.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop
from end_to_end import arrived, recorded
from load import Outcome, open_loop
from machine import RefusedError, finish, percentile, print_facts, verdict
from servers import daemon, delivery_counts, pin_load, require_stored
from sink import Sink

ACCEPTED_P99_MS = 10.0
ARRIVAL_P50_MS = 5.0
ARRIVAL_P99_MS = 25.0
WARM_UP_S = 2.0


def show(name: str, values: Sequence[float]) -> None:
    p50, p90, p99 = (percentile(values, share) for share in (0.5, 0.9, 0.99))
    print(f"  {name:<28} p50 {p50:.2f}  p90 {p90:.2f}  p99 {p99:.2f}  max {max(values):.2f} ms")


async def measure(directory: Path, rate: float, seconds: float) -> tuple[Outcome, Sink, float]:
    sink = Sink()
    await sink.start()
    database = directory / "bench.db"
    with daemon(directory, url=f"http://127.0.0.1:{sink.port}/in") as server:
        warm = await open_loop(server.port, rate=rate, seconds=WARM_UP_S)
        warm.require_clean()
        await arrived(sink, {one.event_id for one in warm.acked})
        await recorded(database)
        cpu, start = server.cpu_s(), time.monotonic()
        outcome = await open_loop(server.port, rate=rate, seconds=seconds)
        share = (server.cpu_s() - cpu) / (time.monotonic() - start)
        outcome.require_clean()
        await arrived(sink, {one.event_id for one in outcome.acked})
        await recorded(database)
    sink.close()
    acked = {one.event_id for one in warm.acked + outcome.acked}
    require_stored(database, acked)
    counts = delivery_counts(database)
    if counts != {"success": len(acked)}:
        raise RefusedError(f"{len(acked)} events acknowledged, deliveries by status: {counts}")
    return outcome, sink, share


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=500.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--directory", help="where the database goes; default: the system's temp")
    arguments = parser.parse_args()
    pin_load()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as base:
        print_facts(
            base,
            f"open loop, {arguments.rate:g} events/s for {arguments.seconds:g} s, 64 connections, "
            "1 KB bodies, HMAC, one destination; times from the schedule unless said otherwise",
        )
        outcome, sink, share = uvloop.run(measure(Path(base), arguments.rate, arguments.seconds))
    answers = [(one.acked - one.scheduled) * 1000 for one in outcome.acked]
    own = [(one.acked - one.sent) * 1000 for one in outcome.acked]
    late = [(one.sent - one.scheduled) * 1000 for one in outcome.acked]
    arrivals = [(sink.arrived[one.event_id] - one.sent) * 1000 for one in outcome.acked]
    print(f"{len(outcome.acked)} events, server CPU {share:.0%}, {outcome.generator()}")
    show("202", answers)
    show("202 from sending", own)
    show("generator behind schedule", late)
    show("arrival, from sending", arrivals)
    print("every acknowledged event arrived and is recorded as success")
    verdict("202 p99", percentile(answers, 0.99), ACCEPTED_P99_MS, at_least=False, unit=" ms")
    verdict("arrival p50", percentile(arrivals, 0.5), ARRIVAL_P50_MS, at_least=False, unit=" ms")
    verdict("arrival p99", percentile(arrivals, 0.99), ARRIVAL_P99_MS, at_least=False, unit=" ms")


if __name__ == "__main__":
    finish(main)
