"""How long everybody else waits for one hostile request, or for one hostile destination.

    python bench/stall.py [--rounds 5] [--seconds 1] [--directory DIR]

While each does its worst, another process asks GET /healthz every 5 ms on a connection of its own:
its longest wait is what the daemon's loop was held for. A small signed webhook is sent beside, and
must be answered 202. A case's figure is its median round's; the worst case is the figure.
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import statistics
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import uvloop
from figures import DESTINATION_MS, KEPT_OUT, STALL_MS, judge
from hostile import DESTINATIONS, ENDPOINTS, REQUESTS, Request
from load import SECRET, requests
from machine import finish, print_facts
from options import plain
from prober import Prober
from proof import recorded
from quiet import watch
from servers import LOAD_CORE, Server, free_port, pin_load, serving

STATED_ROUNDS = 5
ANSWER_S = 60.0  # for the answer to a hostile request: the next case must not meet the rest of it
BEFORE_S = 0.1  # of probes before and after each case, so that its edges are seen
HONEST_S = 30.0  # for the 202 to an honest webhook beside it
QUIET_MAX_MS = 10.0  # a quiet machine's own stalls: above, it measures itself
MODEST = 10  # niceness of the hostile destinations, which share a core with the prober
HELD_S = 0.2  # for what is held back to have come as far as it comes


@dataclass
class Case:
    name: str
    worst_ms: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    honest: Counter[str] = field(default_factory=Counter)  # answers to the webhooks beside it

    @property
    def median_ms(self) -> float:
        return statistics.median(self.worst_ms)

    @property
    def broken(self) -> int:
        """Honest webhooks that were not taken, and hostile requests called our fault."""
        kept_out = sum(count for status, count in self.honest.items() if status != "202")
        # 503 says that there is no room: no fault, as long as it keeps nobody else out.
        faults = sum(
            n for status, n in self.statuses.items() if status[0] == "5" and status != "503"
        )
        return kept_out + faults


def config_text(port: int, database: Path, urls: dict[str, str], timeout_s: float) -> str:
    endpoints = "\n".join(f"  {slug}:\n    {lines}" for slug, lines in ENDPOINTS.items())
    bounds = f"timeout: {round(timeout_s * 1000)}ms, retry: {{max_attempts: 1}}"
    linked = "\n".join(f"  {name}: {{secret: {SECRET}, destinations: [{name}]}}" for name in urls)
    rows = "\n".join(f"  {name}: {{url: '{url}', {bounds}}}" for name, url in urls.items())
    return (
        f"server: {{listen: '127.0.0.1:{port}', trusted_proxies: [127.0.0.1]}}\n"
        f"storage: {{url: 'sqlite:///{database}'}}\nendpoints:\n{endpoints}\n{linked}\n"
        f"destinations:\n{rows}\n"
    )


async def post(port: int, request: bytes, timeout_s: float) -> str:
    """Send bytes over a connection of their own; the status of what comes back, or why none."""
    writer = None
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            with contextlib.suppress(ConnectionError):  # hung up on before it was all sent
                await writer.drain()
            line = await reader.readline()
        return line[9:12].decode() or "closed"
    except TimeoutError:
        return "no answer"
    except ConnectionError:
        return "reset"
    finally:
        if writer is not None:
            writer.transport.abort()


async def honest(port: int, case: Case) -> None:
    request, _ = requests(port, slug="generic")[0]
    case.honest[await post(port, request, HONEST_S)] += 1


async def attack(port: int, case: Case, hostile: Request, payload: bytes) -> None:
    """Send one hostile request, and an honest one while it is being dealt with."""
    if not hostile.holds:
        sent = [post(port, payload, ANSWER_S) for _ in range(hostile.connections)]
        *statuses, _ = await asyncio.gather(*sent, honest(port, case))
        case.statuses.update(statuses)
        return
    held = []
    try:
        for _ in range(hostile.connections):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            held.append(writer)
            writer.write(payload)
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(ANSWER_S):
                    await writer.drain()
        await asyncio.sleep(HELD_S)
        await honest(port, case)
    finally:
        for writer in held:
            writer.transport.abort()


@contextlib.contextmanager
def hostile_destinations() -> Iterator[dict[str, str]]:
    """The URL of each, in a process of their own."""
    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_misbehave, args=(there,), daemon=True)
    process.start()
    ports: list[int] = here.recv()
    try:
        yield {f"bad{n}": f"http://127.0.0.1:{port}/in" for n, port in enumerate(ports)}
    finally:
        process.kill()
        process.join()


def _misbehave(pipe: Connection) -> None:
    os.sched_setaffinity(0, {LOAD_CORE})
    os.nice(MODEST)
    asyncio.run(_serve(pipe))


async def _serve(pipe: Connection) -> None:
    ports = []
    for make in DESTINATIONS.values():

        async def answer(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, make: object = make
        ) -> None:
            assert callable(make)
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await reader.readuntil(b"\r\n\r\n")
                for piece in make():
                    writer.write(piece)
                    await writer.drain()
            writer.transport.abort()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
    pipe.send(ports)
    await asyncio.Event().wait()


async def one_round(
    port: int,
    prober: Prober,
    payloads: list[bytes],
    cases: tuple[Case, list[Case], list[Case]],
    *,
    database: Path,
    quiet_s: float,
) -> None:
    quiet, unproved, destinations = cases
    prober.begin()
    await asyncio.sleep(quiet_s)
    quiet.worst_ms.append(prober.end().worst_ms)
    for case, hostile, payload in zip(unproved, REQUESTS, payloads, strict=True):
        prober.begin()
        await asyncio.sleep(BEFORE_S)
        await attack(port, case, hostile, payload)
        await asyncio.sleep(BEFORE_S)
        case.worst_ms.append(prober.end().worst_ms)
    for number, case in enumerate(destinations):
        prober.begin()
        await asyncio.sleep(BEFORE_S)
        webhook, _ = requests(port, slug=f"bad{number}")[number]
        case.statuses[await post(port, webhook, HONEST_S)] += 1
        await honest(port, case)
        await recorded(database)  # its attempt has ended, and the next case is alone
        case.worst_ms.append(prober.end().worst_ms)


def show(case: Case, bound_ms: float) -> None:
    over = "  OVER" if case.median_ms > bound_ms else ""
    answers = ", ".join(f"{count} x {status}" for status, count in sorted(case.statuses.items()))
    beside = ", ".join(f"{count} x {status}" for status, count in sorted(case.honest.items()))
    print(
        f"  {case.name:<57} {case.median_ms:8.1f} ms, {min(case.worst_ms):.1f} to "
        f"{max(case.worst_ms):.1f}{over}"
        + (f"; answered {answers}" if answers else "")
        + (f"; beside it {beside}" if beside else ""),
        flush=True,
    )


def measure(
    server: Server, database: Path, arguments: argparse.Namespace
) -> tuple[Case, list[Case], list[Case]]:
    payloads = [hostile.make() for hostile in REQUESTS]
    cases = (
        Case("nothing"),
        [Case(hostile.name) for hostile in REQUESTS],
        [Case(name) for name in DESTINATIONS],
    )
    with Prober(server.port) as prober, watch(server) as seen:
        for _ in range(arguments.rounds):
            uvloop.run(
                one_round(
                    server.port,
                    prober,
                    payloads,
                    cases,
                    database=database,
                    quiet_s=arguments.seconds,
                )
            )
    print(f"{seen.text()}{seen.note}")
    return cases


def main() -> None:
    options = plain(__doc__)
    options.add_argument("--rounds", type=int, default=STATED_ROUNDS)
    options.add_argument(
        "--seconds", type=float, default=1.0, help="of quiet, and the timeout of a destination"
    )
    arguments = options.parse_args()
    pin_load()
    with (
        tempfile.TemporaryDirectory(dir=arguments.directory) as base,
        hostile_destinations() as bad,
    ):
        print_facts(
            base,
            f"{len(REQUESTS)} hostile requests and {len(DESTINATIONS)} hostile destinations in "
            f"turn, {arguments.rounds} rounds; GET /healthz every 5 ms from another process; the "
            "longest wait of each, the median of the rounds",
        )
        port, config, database = free_port(), Path(base) / "config.yaml", Path(base) / "stall.db"
        config.write_text(config_text(port, database, bad, arguments.seconds))
        with serving(config, port) as server:
            quiet, unproved, destinations = measure(server, database, arguments)
    doubts = []
    if quiet.median_ms > QUIET_MAX_MS:
        doubts.append(f"the machine stalled for {quiet.median_ms:.1f} ms with nothing hostile")
    if arguments.rounds < STATED_ROUNDS:
        doubts.append(f"stated for {STATED_ROUNDS} rounds")
    show(quiet, QUIET_MAX_MS)
    for case in unproved:
        show(case, STALL_MS.bound)
    for case in destinations:
        show(case, DESTINATION_MS.bound)
    print(judge(STALL_MS, max(case.median_ms for case in unproved), doubts))
    print(judge(DESTINATION_MS, max(case.median_ms for case in destinations), doubts))
    # An answer is right or wrong, whatever the machine does.
    print(judge(KEPT_OUT, sum(case.broken for case in unproved + destinations)))


if __name__ == "__main__":
    finish(main)
