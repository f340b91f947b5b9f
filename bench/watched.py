"""What the admin listener costs: without it, with it and nobody looking, and looked at.

    python bench/watched.py [--figures ingest,end-to-end] [--rounds 3] [--seconds 12]
                            [--directory DIR]

Three daemons of this tree stand side by side on core 0, each on a database of its own, and are
loaded in turn, slice by slice; who waits its turn uses no CPU. The third is looked at while it is
loaded: /metrics is scraped each second, and a dashboard's overview is open, which asks for itself
again whenever it is told that something has changed, as its script does. What is compared is a
ratio to the daemon without an admin listener of the same round.
"""

import argparse
import statistics
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import end_to_end
import ingest
import uvloop
from figures import (
    UNWATCHED_END_TO_END,
    UNWATCHED_INGEST,
    WATCHED_END_TO_END,
    WATCHED_INGEST,
    judge,
    rounds_doubts,
)
from load import CONNECTIONS, WARM_UP_S, closed_loop, merged
from machine import finish, print_facts
from onlooker import Onlooker
from options import SLICES, add_figures, endpoint_lines, load_doubts, load_text, parser
from proof import require_delivered, require_no_more, require_stored
from quiet import Watch, mean, uneven, watch
from servers import Server, config_text, free_port, pin_load, serving
from sides import alternate
from sink import Sink

NAMES = ("without", "unwatched", "watched")


@dataclass(frozen=True, slots=True)
class Running:
    """One of the three; the last has somebody who looks."""

    name: str
    server: Server
    database: Path
    onlooker: Onlooker | None


@dataclass
class Setting:
    directory: Path
    sink: Sink
    arguments: argparse.Namespace

    @property
    def slice_s(self) -> float:
        return float(self.arguments.seconds) / SLICES


@dataclass
class Rates:
    """Events/s of each of the three in one round, what was seen meanwhile, and doubts."""

    rates: list[float]
    seen: list[Watch]
    doubts: list[str]


@contextmanager
def three(setting: Setting, *, url: str | None) -> Iterator[list[Running]]:
    with ExitStack() as stack:
        made = []
        for name in NAMES:
            directory = setting.directory / name
            directory.mkdir(parents=True)
            port, admin_port, database = free_port(), free_port(), directory / "bench.db"
            lines = endpoint_lines(setting.arguments)
            text = config_text(port, database, url=url, endpoint_lines=lines)
            if name != "without":
                text += f"admin:\n  listen: 127.0.0.1:{admin_port}\n"
            config = directory / "config.yaml"
            config.write_text(text, encoding="utf-8")
            server = stack.enter_context(serving(config, port))
            onlooker = Onlooker(admin_port) if name == "watched" else None
            made.append(Running(name, server, database, onlooker))
        yield made


async def durable(setting: Setting) -> Rates:
    """202s/s of a closed loop, no destination."""
    provider = setting.arguments.provider
    with three(setting, url=None) as sides:

        async def one(which: int, seconds: float = setting.slice_s) -> ingest.Run:
            side = sides[which]
            async with side.onlooker or nullcontext():
                with watch(side.server) as seen:
                    outcome = await closed_loop(
                        side.server.port, seconds=seconds, provider=provider
                    )
            outcome.require_clean()
            return ingest.Run(outcome, seen)

        await look(sides)
        warm = [await one(which, WARM_UP_S) for which in range(len(sides))]
        runs = [
            ingest.Run(merged([run.outcome for run in made]), mean([run.seen for run in made]))
            for made in await alternate(len(sides), one)
        ]
    for side, first, run in zip(sides, warm, runs, strict=True):
        acked = first.outcome.ids | run.outcome.ids
        require_stored(side.database, acked)
        require_no_more(side.database, len(acked))
        ingest.show(side.name, run)
    seen_by(sides)
    doubts = [doubt for run in runs for doubt in run.outcome.doubts]
    return Rates([run.rate for run in runs], [run.seen for run in runs], doubts)


async def full_load(setting: Setting) -> Rates:
    """Accepted, delivered and recorded: events/s of a closed loop."""
    provider, sink = setting.arguments.provider, setting.sink
    with three(setting, url=f"http://127.0.0.1:{sink.port}/in") as sides:

        async def one(which: int, seconds: float = setting.slice_s) -> end_to_end.Run:
            side = sides[which]
            async with side.onlooker or nullcontext():
                return await end_to_end.measure(side.server, sink, seconds, side.database, provider)

        await look(sides)
        warm = [await one(which, WARM_UP_S) for which in range(len(sides))]
        runs = [end_to_end.whole(made) for made in await alternate(len(sides), one)]
    for side, first, run in zip(sides, warm, runs, strict=True):
        run.outcome.require_clean()
        require_delivered(side.database, first.outcome.ids | run.outcome.ids)
        end_to_end.show(side.name, run)
    seen_by(sides)
    doubts = [doubt for run in runs for doubt in run.outcome.doubts]
    return Rates([run.rate for run in runs], [run.seen for run in runs], doubts)


async def look(sides: Sequence[Running]) -> None:
    for side in sides:
        if side.onlooker is not None:
            print(f"  looked at: {' '.join(await side.onlooker.find())}", flush=True)


def seen_by(sides: Sequence[Running]) -> None:
    for side in sides:
        if (one := side.onlooker) is not None:
            print(
                f"  {one.answers} answers to the onlooker, the longest after "
                f"{one.longest_ms:.0f} ms, {one.pages} of them pages",
                flush=True,
            )


Round = Callable[[Setting], Awaitable[Rates]]


async def measured(one: Round, setting: Setting) -> list[Rates]:
    found = []
    for number in range(1, setting.arguments.rounds + 1):
        print(f"round {number}: {one.__name__.replace('_', ' ')}", flush=True)
        its = Setting(setting.directory / str(number), setting.sink, setting.arguments)
        found.append(await one(its))
    return found


def compared(found: Sequence[Rates], name: str) -> tuple[float, list[str]]:
    """The median of the rounds' ratios to the daemon without, and what puts it in doubt."""
    which = NAMES.index(name)
    ratios = [rates.rates[which] / rates.rates[0] for rates in found]
    print(f"ratios    {' '.join(f'{ratio:.3f}' for ratio in ratios)}  {name}")
    disturbed = sum(uneven(rates.seen[0], rates.seen[which]) for rates in found)
    doubts = [doubt for rates in found for doubt in rates.doubts]
    return statistics.median(ratios), doubts + rounds_doubts(ratios, disturbed)


async def compare_ingest(setting: Setting) -> None:
    found = await measured(durable, setting)
    more = load_doubts(setting.arguments)
    ratio, doubts = compared(found, "unwatched")
    print(judge(UNWATCHED_INGEST, ratio, more + doubts))
    ratio, doubts = compared(found, "watched")
    print(judge(WATCHED_INGEST, ratio, more + doubts), flush=True)


async def compare_end_to_end(setting: Setting) -> None:
    found = await measured(full_load, setting)
    more = load_doubts(setting.arguments)
    ratio, doubts = compared(found, "unwatched")
    print(judge(UNWATCHED_END_TO_END, ratio, more + doubts))
    ratio, doubts = compared(found, "watched")
    print(judge(WATCHED_END_TO_END, ratio, more + doubts), flush=True)


COMPARISONS: dict[str, Callable[[Setting], Awaitable[None]]] = {
    "ingest": compare_ingest,
    "end-to-end": compare_end_to_end,
}


async def compare(directory: Path, arguments: argparse.Namespace) -> None:
    sink = Sink()
    await sink.start()
    for name in arguments.figures:
        await COMPARISONS[name](Setting(directory / name, sink, arguments))
    sink.close()


def main() -> None:
    options = parser(__doc__, seconds=12.0)
    add_figures(options, COMPARISONS)
    arguments = options.parse_args()
    pin_load()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as base:
        print_facts(
            base,
            f"closed loop, {CONNECTIONS} connections, {load_text(arguments)}; {arguments.rounds} "
            f"rounds of {arguments.seconds:g} s for each of the three in {SLICES} alternating "
            "slices, new databases each",
        )
        uvloop.run(compare(Path(base), arguments))
    print(
        "every acknowledged event is stored, and recorded as success where it was to be delivered"
    )


if __name__ == "__main__":
    finish(main)
