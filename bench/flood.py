"""What one endpoint's flood does to another: the 202's p99 alone, and beside the flood.

    python bench/flood.py [--rounds 3] [--seconds 8] [--flooders 64] [--directory DIR]

The calm endpoint gets 200 events/s, open loop. The flooded one has a rate limit, and as many
connections as --flooders that send signed webhooks as fast as they are answered.
"""

import argparse
import asyncio
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import uvloop
from figures import FLOOD_P99, judge, sides_doubts
from load import WARM_UP_S, Outcome, closed_loop, open_loop
from machine import RefusedError, finish, percentile, print_facts
from options import endpoint_lines, load_doubts, load_text, parser
from proof import require_no_more, require_stored
from quiet import Watch, watch
from servers import FLOODED_SLUG, Server, daemon, pin_load

CALM_RATE = 200.0
FLOODED_RATE = 50
FLOODERS = 64
ALLOWED = {429}


@dataclass
class Run:
    calm: Outcome
    flood: Outcome | None
    seen: Watch

    @property
    def waits_ms(self) -> list[float]:
        return [(one.acked - one.scheduled) * 1000 for one in self.calm.acked]

    @property
    def p99_ms(self) -> float:
        return percentile(self.waits_ms, 0.99)


async def load(port: int, seconds: float, flooders: int) -> tuple[Outcome, Outcome | None]:
    calm = open_loop(port, rate=CALM_RATE, seconds=seconds)
    if not flooders:
        return await calm, None
    flood = closed_loop(port, seconds=seconds, connections=flooders, slug=FLOODED_SLUG)
    flooded, calmed = await asyncio.gather(flood, calm)
    return calmed, flooded


def measure(server: Server, seconds: float, flooders: int) -> Run:
    with watch(server) as seen:
        calm, flood = uvloop.run(load(server.port, seconds, flooders))
    calm.require_clean()
    if flood is not None and set(flood.refused) - ALLOWED:
        raise RefusedError(f"the flood was answered, by status: {flood.refused}")
    return Run(calm, flood, seen)


def show(name: str, run: Run) -> None:
    waits = run.waits_ms
    p50, p90, p99 = (percentile(waits, share) for share in (0.5, 0.9, 0.99))
    flood = ""
    if run.flood is not None:
        answers = len(run.flood.acked) + sum(run.flood.refused.values())
        rate = answers / (run.flood.ended - run.flood.started)
        flood = f"flood {rate:.0f} answers/s, {len(run.flood.acked)} accepted  "
    print(
        f"  {name:<7} 202 p50 {p50:.2f} p90 {p90:.2f} p99 {p99:.2f} max {max(waits):.2f} ms  "
        f"{flood}{run.calm.generator()}  {run.seen.text()}{run.seen.note}",
        flush=True,
    )


def one_round(directory: Path, arguments: argparse.Namespace) -> tuple[Run, Run]:
    """Alone, then beside the flood, on one daemon; what was accepted is stored."""
    lines = endpoint_lines(arguments)
    flooded = [f"rate_limit: {FLOODED_RATE}/s"]
    with daemon(directory, endpoint_lines=lines, flooded_lines=flooded) as server:
        warm = uvloop.run(closed_loop(server.port, seconds=WARM_UP_S))
        warm.require_clean()
        alone = measure(server, arguments.seconds, 0)
        beside = measure(server, arguments.seconds, arguments.flooders)
    assert beside.flood is not None
    acked = warm.ids | alone.calm.ids | beside.calm.ids | beside.flood.ids
    require_stored(directory / "bench.db", acked)
    require_no_more(directory / "bench.db", len(acked))
    return alone, beside


def main() -> None:
    options = parser(__doc__, seconds=8.0)
    options.add_argument("--flooders", type=int, default=FLOODERS, help="connections that flood")
    arguments = options.parse_args()
    pin_load()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as base:
        print_facts(
            base,
            f"{CALM_RATE:g} events/s to one endpoint, open loop, alone and then beside "
            f"{arguments.flooders} connections in a closed loop to another with rate_limit "
            f"{FLOODED_RATE}/s; {load_text(arguments)}; {arguments.rounds} rounds of twice "
            f"{arguments.seconds:g} s, new database each",
        )
        ratios, disturbed, doubts = [], 0, load_doubts(arguments)
        if arguments.flooders != FLOODERS:
            doubts.append(f"stated for {FLOODERS} connections")
        for number in range(arguments.rounds):
            directory = Path(base) / str(number)
            directory.mkdir()
            alone, beside = one_round(directory, arguments)
            ratios.append(beside.p99_ms / alone.p99_ms)
            print(f"round {number + 1}: ratio {ratios[-1]:.3f}")
            show("alone", alone)
            show("beside", beside)
            disturbed += alone.seen.disturbed or beside.seen.disturbed
            doubts += beside.calm.doubts
    print("every acknowledged event is stored, and nothing else")
    doubts += sides_doubts(FLOOD_P99, ratios, disturbed)
    print(judge(FLOOD_P99, statistics.median(ratios), doubts))


if __name__ == "__main__":
    finish(main)
