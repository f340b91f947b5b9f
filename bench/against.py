"""This tree against another checkout of dispatchd, in one run, their slices alternating.

    python bench/against.py --base DIR [--base-python PATH] [--figures end-to-end,ingest,...]
                            [--rounds 3] [--seconds 10] [--directory DIR]

Both daemons stand side by side on core 0, each on a database of its own; who waits its turn uses
no CPU. What is compared is a ratio of this tree's to the base's of the same round.
"""

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import end_to_end
import ingest
import uvloop
from figures import (
    AGAINST_CPU_50,
    AGAINST_CPU_200,
    AGAINST_END_TO_END,
    AGAINST_INGEST,
    AGAINST_P99,
    EXAMPLE_LOAD,
    EXAMPLE_START,
    KILL_S,
    Figure,
    judge,
    rounds_doubts,
    sides_doubts,
)
from load import CONNECTIONS, WARM_UP_S, closed_loop, merged, open_loop
from machine import RefusedError, finish, percentile, print_facts
from options import SLICES, add_figures, endpoint_lines, load_doubts, load_text, parser
from proof import arrived, recorded, require_delivered, require_no_more, require_stored
from quiet import Watch, mean, uneven, watch
from servers import THIS, Server, Side, ceiling, free_port, pin_load, serving
from sides import EXAMPLE_SLUG, Killed, alternate, base_side, both, describe, example_config
from sink import Sink

LATENCY_RATE = 500.0
KILLS = 5  # of each side in a round
SETTLE_S = 1.0  # after start, and after load, before memory is read
MIB = 1.048576  # MB


@dataclass(frozen=True, slots=True)
class Setting:
    """What every comparison gets: a directory of its own for each round, a sink, the base."""

    directory: Path
    base: Side
    sink: Sink
    arguments: argparse.Namespace

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.sink.port}/in"

    @property
    def slice_s(self) -> float:
        return float(self.arguments.seconds) / SLICES


@dataclass
class Cost:
    """What events cost a server in one slice."""

    events: int
    cpu_s: float
    switches: int
    seen: Watch


def in_turn(ratios: Sequence[float]) -> str:
    return " ".join(f"{ratio:.3f}" for ratio in ratios)


async def full_load(setting: Setting, number: int) -> tuple[float, bool, list[str]]:
    """Accepted, delivered and recorded: events/s of a closed loop."""
    provider, sink = setting.arguments.provider, setting.sink
    lines = endpoint_lines(setting.arguments)
    with both(setting.directory, setting.base, url=setting.url, endpoint_lines=lines) as sides:

        async def one(which: int, seconds: float = setting.slice_s) -> end_to_end.Run:
            side = sides[which]
            return await end_to_end.measure(side.server, sink, seconds, side.database, provider)

        warm = [await one(which, WARM_UP_S) for which in range(2)]
        runs = [end_to_end.whole(made) for made in await alternate(2, one)]
    for side, first, run in zip(sides, warm, runs, strict=True):
        run.outcome.require_clean()
        require_delivered(side.database, first.outcome.ids | run.outcome.ids)
    print(f"round {number}: end to end")
    for side, run in zip(sides, runs, strict=True):
        end_to_end.show(side.side.name, run)
    doubts = runs[0].outcome.doubts + runs[1].outcome.doubts
    return runs[0].rate / runs[1].rate, uneven(runs[0].seen, runs[1].seen), doubts


async def durable(setting: Setting, number: int) -> tuple[float, bool, list[str]]:
    """202s/s of a closed loop, no destination."""
    provider, lines = setting.arguments.provider, endpoint_lines(setting.arguments)
    with both(setting.directory, setting.base, endpoint_lines=lines) as sides:

        async def one(which: int, seconds: float = setting.slice_s) -> ingest.Run:
            with watch(sides[which].server) as seen:
                outcome = await closed_loop(
                    sides[which].server.port, seconds=seconds, provider=provider
                )
            outcome.require_clean()
            return ingest.Run(outcome, seen)

        warm = [await one(which, WARM_UP_S) for which in range(2)]
        runs = [
            ingest.Run(merged([run.outcome for run in made]), mean([run.seen for run in made]))
            for made in await alternate(2, one)
        ]
    for side, first, run in zip(sides, warm, runs, strict=True):
        run.outcome.require_clean()
        acked = first.outcome.ids | run.outcome.ids
        require_stored(side.database, acked)
        require_no_more(side.database, len(acked))
    print(f"round {number}: durable ingest")
    for side, run in zip(sides, runs, strict=True):
        ingest.show(side.side.name, run)
    doubts = runs[0].outcome.doubts + runs[1].outcome.doubts
    return runs[0].rate / runs[1].rate, uneven(runs[0].seen, runs[1].seen), doubts


async def paced(  # noqa: PLR0917 - what to measure, and how
    server: Server, sink: Sink, database: Path | None, rate: float, seconds: float, provider: str
) -> tuple[Cost, list[float]]:
    """Open loop until all is delivered and recorded: what it cost, and each 202's wait in ms."""
    sink.reset()
    cpu_s, switches = server.cpu_s(), server.switches()
    with watch(server) as seen:
        outcome = await open_loop(server.port, rate=rate, seconds=seconds, provider=provider)
        outcome.require_clean()
        if database is None:  # the relay numbers its events anew: only their count tells
            async with asyncio.timeout(60):
                while sink.requests < len(outcome.acked):
                    await asyncio.sleep(0.01)
        else:
            await arrived(sink, outcome.ids)
            await recorded(database)
        cost = Cost(len(outcome.acked), server.cpu_s() - cpu_s, server.switches() - switches, seen)
    return cost, [(one.acked - one.scheduled) * 1000 for one in outcome.acked]


async def tail(setting: Setting, number: int) -> tuple[float, bool, list[str]]:
    """The 202's p99 from the schedule, with deliveries."""
    provider, lines = setting.arguments.provider, endpoint_lines(setting.arguments)
    with both(setting.directory, setting.base, url=setting.url, endpoint_lines=lines) as sides:

        async def one(which: int, seconds: float = setting.slice_s) -> tuple[Cost, list[float]]:
            side = sides[which]
            return await paced(
                side.server, setting.sink, side.database, LATENCY_RATE, seconds, provider
            )

        for which in range(2):
            await one(which, WARM_UP_S)
        made = await alternate(2, one)
    print(f"round {number}: 202 at {LATENCY_RATE:g} events/s")
    p99s, watches = [], []
    for side, slices in zip(sides, made, strict=True):
        waits = [wait for _, some in slices for wait in some]
        p50, p90, p99 = (percentile(waits, share) for share in (0.5, 0.9, 0.99))
        watches.append(mean([cost.seen for cost, _ in slices]))
        p99s.append(p99)
        print(
            f"  {side.side.name:<9} 202 p50 {p50:.2f} p90 {p90:.2f} p99 {p99:.2f} "
            f"max {max(waits):.2f} ms  {watches[-1].text()}",
            flush=True,
        )
    return p99s[0] / p99s[1], uneven(*watches), []


async def cost(setting: Setting, number: int, rate: float) -> tuple[float, bool, list[str]]:
    """User and system time for each event, and context switches; the relay's for reference."""
    provider, lines = setting.arguments.provider, endpoint_lines(setting.arguments)
    with (
        both(setting.directory, setting.base, url=setting.url, endpoint_lines=lines) as sides,
        ceiling(setting.directory, "relay", setting.url, "16") as relay,
    ):
        servers: list[tuple[str, Server, Path | None]] = [
            *((side.side.name, side.server, side.database) for side in sides),
            ("relay", relay, None),
        ]

        async def one(which: int, seconds: float = setting.slice_s) -> Cost:
            _, server, database = servers[which]
            return (await paced(server, setting.sink, database, rate, seconds, provider))[0]

        for which in range(3):
            await one(which, WARM_UP_S)
        made = await alternate(3, one)
    print(f"round {number}: CPU at {rate:g} events/s")
    each_ms, watches = [], []
    for (name, _, _), slices in zip(servers, made, strict=True):
        events = sum(piece.events for piece in slices)
        each_ms.append(sum(piece.cpu_s for piece in slices) * 1000 / events)
        watches.append(mean([piece.seen for piece in slices]))
        print(
            f"  {name:<9} {each_ms[-1]:.3f} ms and "
            f"{sum(piece.switches for piece in slices) / events:.1f} context switches an event, "
            f"{events} events  {watches[-1].text()}",
            flush=True,
        )
    return each_ms[0] / each_ms[1], uneven(*watches[:2]), []


Round = Callable[[Setting, int], Awaitable[tuple[float, bool, list[str]]]]


async def compare_rounds(figure: Figure, one: Round, setting: Setting) -> None:
    """The median of the rounds' ratios, and what puts it in doubt."""
    ratios, disturbed, doubts = [], 0, load_doubts(setting.arguments)
    for number in range(1, setting.arguments.rounds + 1):
        its = replace(setting, directory=setting.directory / str(number))
        its.directory.mkdir()
        ratio, uneasy, more = await one(its, number)
        ratios.append(ratio)
        disturbed += uneasy
        doubts += more
    print(f"ratios    {in_turn(ratios)}", flush=True)
    if one is tail:
        doubts += sides_doubts(figure, ratios, disturbed)
    else:
        doubts += rounds_doubts(ratios, disturbed)
    print(judge(figure, statistics.median(ratios), doubts), flush=True)


async def compare_kill(setting: Setting) -> None:
    """kill -9, and at once a successor on the same database, which owes nothing."""
    victims = []
    try:
        for side in (THIS, setting.base):
            directory = setting.directory / f"kill_{side.name.replace(' ', '_')}"
            directory.mkdir()
            victims.append(await asyncio.to_thread(Killed, directory, side, setting.url))
        seconds: list[list[float]] = [[], []]
        for number in range(KILLS * setting.arguments.rounds):
            for which in (0, 1) if number % 2 == 0 else (1, 0):
                await recorded(victims[which].database)
                seconds[which].append(await asyncio.to_thread(victims[which].again))
    finally:
        for victim in victims:
            victim.close()
    print("kill -9 to the first 202")
    for victim, times in zip(victims, seconds, strict=True):
        print(
            f"  {victim.side.name:<9} median {statistics.median(times):.3f} s, "
            f"{min(times):.3f} to {max(times):.3f} over {len(times)} kills"
        )
    # What others do to the cores cannot make a start faster.
    print(judge(KILL_S, statistics.median(seconds[0])), flush=True)


async def compare_memory(setting: Setting) -> None:
    """The tree's own example config: after start, and after a closed loop at full load."""
    idle: dict[str, list[float]] = {}
    loaded: dict[str, list[float]] = {}
    print("RSS with the example config, MiB")
    for number in range(setting.arguments.rounds):
        for side in (THIS, setting.base) if number % 2 == 0 else (setting.base, THIS):
            directory = setting.directory / f"memory{number}_{side.name.replace(' ', '_')}"
            directory.mkdir()
            port = free_port()
            config = example_config(side, directory, port, setting.url)
            setting.sink.reset()
            with serving(config, port, side=side) as server:
                await asyncio.sleep(SETTLE_S)
                start = server.memory_mb() / MIB
                outcome = await closed_loop(
                    port, seconds=setting.arguments.seconds, slug=EXAMPLE_SLUG
                )
                outcome.require_clean()
                await arrived(setting.sink, outcome.ids)
                await recorded(directory / "bench.db")
                await asyncio.sleep(SETTLE_S)
                after, peak = server.memory_mb() / MIB, server.memory_mb("VmHWM") / MIB
            require_delivered(directory / "bench.db", outcome.ids)
            idle.setdefault(side.name, []).append(start)
            loaded.setdefault(side.name, []).append(after)
            print(
                f"  {side.name:<9} {start:.1f} after start, {after:.1f} after "
                f"{len(outcome.acked)} events, peak {peak:.1f}",
                flush=True,
            )
    print(judge(EXAMPLE_START, max(idle[THIS.name])))
    print(judge(EXAMPLE_LOAD, max(loaded[THIS.name])), flush=True)


COMPARISONS: dict[str, Callable[[Setting], Awaitable[None]]] = {
    "end-to-end": partial(compare_rounds, AGAINST_END_TO_END, full_load),
    "ingest": partial(compare_rounds, AGAINST_INGEST, durable),
    "latency": partial(compare_rounds, AGAINST_P99, tail),
    "cpu-200": partial(compare_rounds, AGAINST_CPU_200, partial(cost, rate=200.0)),
    "cpu-50": partial(compare_rounds, AGAINST_CPU_50, partial(cost, rate=50.0)),
    "kill": compare_kill,
    "memory": compare_memory,
}


async def compare(directory: Path, base: Side, arguments: argparse.Namespace) -> None:
    sink = Sink()
    await sink.start()
    with both(directory / "first", base):  # the first start of new code compiles it
        pass
    for name in arguments.figures:
        its = directory / name
        its.mkdir()
        await COMPARISONS[name](Setting(its, base, sink, arguments))
    sink.close()


def main() -> None:
    options = parser(__doc__, seconds=10.0)
    options.add_argument("--base", type=Path, required=True, help="the other checkout's tree")
    options.add_argument(
        "--base-python", default=THIS.python, help="an interpreter with its packages"
    )
    add_figures(options, COMPARISONS)
    arguments = options.parse_args()
    if arguments.rounds < 1:
        raise RefusedError("there is nothing to compare without a round")
    pin_load()
    base = base_side(arguments.base, arguments.base_python)
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        print_facts(
            directory,
            f"{CONNECTIONS} connections, {load_text(arguments)}; {arguments.rounds} rounds of "
            f"{arguments.seconds:g} s for each side in {SLICES} alternating slices, new "
            "databases each; a ratio is this tree's to the base's",
        )
        for side in (THIS, base):
            print(f"{side.name:<9} {describe(side)}")
        uvloop.run(compare(Path(directory), base, arguments))
    print("every acknowledged event is stored, and where there is a destination, delivered")


if __name__ == "__main__":
    finish(main)
