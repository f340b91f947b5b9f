"""Every event once, and nothing left over: 200 lanes, a sink that fails, bursts and replays.

    python bench/exactly_once.py [--deliveries 1000000] [--lanes 200] [--failing 0.3]
                                 [--directory DIR]

No speed is judged. Bursts of events go to all lanes or to a tenth of them; the sink answers a share
of the requests with 500 (retried after 1 s) and some of all late; meanwhile events are replayed,
new ones whose deliveries are under way and old ones, by `dispatchd replay` and by the store itself.
At the end some that have all been delivered are replayed once more.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import uvloop
from figures import EXACTLY_ONCE, judge
from ledger import Ledger, key
from load import SECRET, SLUG, burst
from machine import RefusedError, finish, print_facts
from options import plain
from proof import errors_logged, ledger_rows, owed, replays_kept
from replays import Replays
from servers import free_port, serving
from unsteady import Unsteady

FEW_SLUG = "few"
STATED_DELIVERIES = 1_000_000
STATED_LANES = 200
STATED_FAILING = 0.3
# Events to all lanes at once, and how many deliveries may be owed before they come: single ones
# meet lanes that are between two looks into the store, floods leave a backlog there.
BURSTS = {1: 1_000, 5: 5_000, 50: 60_000}
LAST_EVENTS = 5  # that are replayed when all is delivered
# A lane looks into the store every 30 s whatever happens: twice that without a single request
# is never going to end.
SILENCE_S = 60.0
POLL_S = 0.05


def config_text(port: int, sink_port: int, database: Path, lanes: int) -> str:
    names = [f"d{number}" for number in range(lanes)]
    rows = "\n".join(
        f"  {name}: {{url: 'http://127.0.0.1:{sink_port}/{number}', max_in_flight: 4,"
        " retry: {max_attempts: 100, backoff: [1s], jitter: 0.2}}"
        for number, name in enumerate(names)
    )
    links = {SLUG: names, FEW_SLUG: names[: few(lanes)]}
    endpoints = "\n".join(
        f"  {slug}: {{secret: {SECRET}, destinations: [{', '.join(linked)}]}}"
        for slug, linked in links.items()
    )
    return (
        f"server: {{listen: '127.0.0.1:{port}'}}\nstorage: {{url: 'sqlite:///{database}'}}\n"
        f"endpoints:\n{endpoints}\ndestinations:\n{rows}\n"
    )


def few(lanes: int) -> int:
    """The lanes that get half of the deliveries, so that new events often meet a busy one."""
    return max(1, lanes // 10)


class Silence:
    """Whether nothing is sent any more."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._requests, self._since = ledger.requests, time.monotonic()

    def lasts(self) -> bool:
        now = time.monotonic()
        if self._ledger.requests != self._requests:
            self._requests, self._since = self._ledger.requests, now
        return now > self._since + SILENCE_S


async def ended(database: Path, ledger: Ledger) -> int:
    """Wait until nothing is owed, or nothing happens any more; return what is still owed."""
    silence = Silence(ledger)
    while left := await asyncio.to_thread(owed, database):
        if silence.lasts():
            return left
        await asyncio.sleep(POLL_S)
    return 0


async def last_replay(replays: Replays, ledger: Ledger, database: Path, events: list[str]) -> int:
    """Replay what has all ended: each of its deliveries gets one 200 more; return how many not."""
    keys = [key(event) for event in events]
    before = ledger.goods(keys)
    await replays.command(events)
    await ended(database, ledger)
    return sum(was + 1 != now for was, now in zip(before, ledger.goods(keys), strict=True))


@dataclass
class Acked:
    """The events that were answered 202, in order, and how many deliveries they make."""

    ids: list[str] = field(default_factory=list)
    deliveries: int = 0


@dataclass
class Outcome:
    acked: Acked
    ledger: Ledger
    sink: Unsteady
    replays: Replays
    seconds: float  # from the first burst until nothing was owed
    again: int  # deliveries of the last replay that were not delivered exactly once more
    peak_mb: float


async def post_all(port: int, acked: Acked, wanted: int, ledger: Ledger) -> None:
    """Burst after burst, small and large ones; each when few enough are owed."""
    roll = random.Random(4)
    while acked.deliveries < wanted:
        events, window = roll.choice(list(BURSTS.items()))
        slug, each = roll.choice([(SLUG, ledger.lanes), (FEW_SLUG, few(ledger.lanes))])
        events = events * ledger.lanes // each
        silence = Silence(ledger)
        while acked.deliveries - ledger.delivered > window:
            if silence.lasts():
                raise RefusedError("deliveries are owed, and nothing is sent any more")
            await asyncio.sleep(POLL_S)
        left = -(-(wanted - acked.deliveries) // each)
        outcome = await burst(port, min(events, left), slug=slug)
        outcome.require_clean()
        acked.ids += outcome.ids
        acked.deliveries += each * len(outcome.ids)


async def load(config: Path, database: Path, arguments: argparse.Namespace) -> Outcome:
    """Run the daemon under load until nothing is owed, and stop it."""
    ledger = Ledger(arguments.lanes)
    sink = Unsteady(ledger, arguments.failing)
    await sink.start()
    port = free_port()
    config.write_text(config_text(port, sink.port, database, arguments.lanes))
    acked = Acked()
    again = 0
    with serving(config, port, pinned=False) as server:
        replays = Replays(config, database, acked.ids, arguments.lanes)
        replaying = asyncio.create_task(replays.run())
        started = time.monotonic()
        await post_all(port, acked, arguments.deliveries, ledger)
        replays.stop()
        await replaying
        left = await ended(database, ledger)
        seconds = time.monotonic() - started
        if not left:
            count = max(1, min(LAST_EVENTS, len(acked.ids) // 20))
            choice = random.Random(2).sample(acked.ids, count)
            again = await last_replay(replays, ledger, database, choice)
        peak_mb = server.memory_mb("VmHWM")
    sink.close()
    return Outcome(acked, ledger, sink, replays, seconds, again, peak_mb)


def found(outcome: Outcome, database: Path) -> Counter[str]:
    """What the sink saw against what is on disk, now that the daemon has written all it knows."""
    keys = {key(one) for one in outcome.acked.ids}
    problems = outcome.ledger.problems(keys, outcome.acked.deliveries, ledger_rows(database))
    problems["ended, replayed, and not delivered once more"] = outcome.again
    kept = replays_kept(database)
    problems["replays on disk that nobody asked for, or the other way"] = abs(
        kept - outcome.replays.deliveries
    )
    return +problems


def show(outcome: Outcome) -> None:
    ledger, replays, deliveries = outcome.ledger, outcome.replays, outcome.ledger.delivered
    print(
        f"{len(outcome.acked.ids)} events, {deliveries} deliveries in {outcome.seconds:.1f} s: "
        f"{deliveries / outcome.seconds:.0f} deliveries/s; {ledger.requests} requests, "
        f"{ledger.good} answered 200, {outcome.sink.late} late; peak RSS {outcome.peak_mb:.0f} MB"
    )
    print(
        f"replays   {replays.deliveries} deliveries in {replays.calls} calls of the command and "
        f"{replays.asked} of the store; {len(replays.refused)} calls refused"
        + (f", the first: {replays.refused[0]}" if replays.refused else "")
    )


def require_kept(problems: Counter[str], errors: list[str]) -> None:
    print(
        f"stranded  {problems['stranded']}, doubled {problems['doubled']}, "
        f"errors in the log {len(errors)}"
    )
    for line in errors[:5]:
        print(f"  {line}")
    if errors:
        problems["errors in the daemon's log"] = len(errors)
    if problems:
        raise RefusedError("; ".join(f"{count} {what}" for what, count in sorted(problems.items())))


def main() -> None:
    options = plain(__doc__)
    options.add_argument("--deliveries", type=int, default=STATED_DELIVERIES)
    options.add_argument("--lanes", type=int, default=STATED_LANES)
    options.add_argument(
        "--failing", type=float, default=STATED_FAILING, help="share of requests answered 500"
    )
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as base:
        print_facts(
            base,
            f"{arguments.deliveries} deliveries over {arguments.lanes} lanes in bursts of "
            f"{', '.join(map(str, BURSTS))} events to all lanes, or as many deliveries to "
            f"{few(arguments.lanes)} of them; at most {', '.join(map(str, BURSTS.values()))} "
            f"owed before them; the sink fails {arguments.failing:.0%}, "
            "tried again after 1 s ± 20 %; replays meanwhile; nothing is pinned to a core",
            timed=False,
        )
        database, config = Path(base) / "once.db", Path(base) / "config.yaml"
        outcome = uvloop.run(load(config, database, arguments))
        show(outcome)
        problems = found(outcome, database)
        require_kept(problems, errors_logged(config.with_name("daemon.log")))
    print("every event was delivered once for each success, and nothing is left over")
    doubts = []
    if arguments.deliveries < STATED_DELIVERIES:
        doubts.append(f"stated for {STATED_DELIVERIES} deliveries")
    if (arguments.lanes, arguments.failing) != (STATED_LANES, STATED_FAILING):
        doubts.append(f"stated for {STATED_LANES} lanes and {STATED_FAILING:.0%} failing")
    print(judge(EXACTLY_ONCE, problems.total(), doubts))


if __name__ == "__main__":
    finish(main)
