"""Memory over all lanes: 200 destinations that are dead, 10,000 waiting events of 100 KB.

    python bench/memory.py [--hanging | --refusing] [--lanes 200] [--events 10000]
                           [--seconds 60] [--directory DIR]

Every dead destination is owed every event. Dead is a port that refuses, or a server that accepts,
reads nothing and never answers; both are measured unless one is chosen. Meanwhile new events of
1 KB go to all of them and to one healthy destination more. A full run writes about 3 GB.
"""

import argparse
import asyncio
import os
import resource
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import uvloop
from figures import HANGING_MB, REFUSING_MB, judge
from load import SECRET, SLUG, Outcome, open_loop
from machine import RefusedError, finish, percentile, print_facts
from options import plain
from proof import attempts, lanes_tried, require_stored
from quiet import watch
from seed import DEAD_URL, opened, require_dead, uuid7
from servers import free_port, pin_load, serving
from sink import Listener, Sink

from dispatchd.model import Event, EventStatus

STATED_LANES = 200
STATED_EVENTS = 10_000
STATED_S = 60.0
EVENT_BYTES = 100_000
HEALTHY = "healthy"
RATE = 5.0  # new events/s, each to every destination
AT_ONCE = 64  # events handed to the store at a time
ARRIVAL_S = 30.0  # for the last new event to reach the healthy destination
SAMPLE_S = 0.25


@dataclass
class Run:
    outcome: Outcome
    waits_ms: list[float]  # of the healthy destination, from sending to arrival
    start_mb: float
    samples_mb: list[float]
    peak_mb: float
    attempts: int
    lanes: int  # dead ones that were tried
    connections: int  # at the hanging server, at once


class Hanging(Listener):
    """Accepts, reads nothing, never answers."""

    def __init__(self) -> None:
        super().__init__()
        self.open = self.most = 0

    def peer(self) -> asyncio.Protocol:
        return _Deaf(self)


class _Deaf(asyncio.Protocol):
    def __init__(self, server: Hanging) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).pause_reading()
        self._server.open += 1
        self._server.most = max(self._server.most, self._server.open)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._server.open -= 1


def config_text(port: int, database: Path, dead: list[str], dead_url: str, sink_port: int) -> str:
    rows = "\n".join(f"  {name}: {{url: '{dead_url}'}}" for name in dead)
    return (
        f"server: {{listen: '127.0.0.1:{port}'}}\nstorage: {{url: 'sqlite:///{database}'}}\n"
        f"endpoints:\n  {SLUG}: {{secret: {SECRET}, destinations: [{', '.join([HEALTHY, *dead])}]}}"
        f"\ndestinations:\n{rows}\n  {HEALTHY}: {{url: 'http://127.0.0.1:{sink_port}/in'}}\n"
    )


async def seed(database: Path, events: int, destinations: list[str]) -> None:
    """Keep events as the daemon does, each owed to every destination; all due."""
    endpoint_id = str(uuid.uuid4())
    now_ms = time.time_ns() // 1_000_000
    filler = os.urandom(EVENT_BYTES // 2).hex().encode()
    async with opened(database) as store:
        for first in range(0, events, AT_ONCE):
            await asyncio.gather(
                *(
                    store.add_event(
                        Event(
                            id=str(uuid.UUID(bytes=uuid7(now_ms - events + number))),
                            endpoint=SLUG,
                            endpoint_id=endpoint_id,
                            received_ms=now_ms - events + number,
                            event_type=None,
                            source_ip="127.0.0.1",
                            status=EventStatus.RECEIVED,
                            filtered_by=None,
                            content_type="application/json",
                            headers=(),
                            body=b'{"n":%010d,"f":"%b"}' % (number, filler[:-24]),
                        ),
                        destinations,
                    )
                    for number in range(first, min(first + AT_ONCE, events))
                )
            )


async def measure(directory: Path, arguments: argparse.Namespace, *, hangs: bool) -> Run:
    sink, hanging = Sink(), Hanging()
    await sink.start()
    await hanging.start()
    url = f"http://127.0.0.1:{hanging.port}/in" if hangs else DEAD_URL
    dead = [f"d{number}" for number in range(arguments.lanes)]
    database, port = directory / "memory.db", free_port()
    await seed(database, arguments.events, dead)
    config = directory / "config.yaml"
    config.write_text(config_text(port, database, dead, url, sink.port))
    samples: list[float] = []
    with serving(config, port) as server:
        start_mb = server.memory_mb()

        async def sample() -> None:
            while True:
                samples.append(server.memory_mb())
                await asyncio.sleep(SAMPLE_S)

        sampling = asyncio.create_task(sample())
        with watch(server) as seen:
            outcome = await open_loop(port, rate=RATE, seconds=arguments.seconds)
        outcome.require_clean()
        end = time.monotonic() + ARRIVAL_S
        while missing := len(outcome.ids - sink.arrived.keys()):
            if time.monotonic() > end:
                raise RefusedError(f"{missing} events did not reach the healthy destination")
            await asyncio.sleep(0.05)
        peak_mb = server.memory_mb("VmHWM")
        sampling.cancel()
    sink.close()
    hanging.close()
    print(f"  {seen.text()}{seen.note}", flush=True)
    require_stored(database, outcome.ids)
    waits = [(sink.arrived[one.event_id] - one.sent) * 1000 for one in outcome.acked]
    tried = lanes_tried(database)
    return Run(
        outcome,
        waits,
        start_mb,
        samples,
        peak_mb,
        attempts(database) - len(outcome.acked),
        len(tried - {HEALTHY}),
        hanging.most,
    )


def require_live(run: Run, lanes: int, *, hangs: bool) -> None:
    """A figure of lanes that did nothing would mean nothing."""
    if not hangs and run.lanes < lanes:
        raise RefusedError(f"{run.lanes} of {lanes} dead destinations were tried")
    if hangs and not run.connections:
        raise RefusedError("no hanging destination was tried")


def show(run: Run, *, hangs: bool) -> None:
    waits = run.waits_ms
    p50, p99 = percentile(waits, 0.5), percentile(waits, 0.99)
    more = f", at most {run.connections} connections at once" if hangs else ""
    print(
        f"  RSS {run.start_mb:.0f} MB after start, p50 {percentile(run.samples_mb, 0.5):.0f}, "
        f"peak {run.peak_mb:.0f} MB; {run.attempts} attempts at {run.lanes} dead destinations{more}"
    )
    print(
        f"  the healthy one got all {len(waits)} events: p50 {p50:.1f} p99 {p99:.1f} "
        f"max {max(waits):.1f} ms after sending",
        flush=True,
    )


def main() -> None:
    options = plain(__doc__)
    which = options.add_mutually_exclusive_group()
    which.add_argument("--hanging", action="store_true", help="only those that never answer")
    which.add_argument("--refusing", action="store_true", help="only a port that refuses")
    options.add_argument("--lanes", type=int, default=STATED_LANES, help="dead destinations")
    options.add_argument("--events", type=int, default=STATED_EVENTS, help="of 100 KB, waiting")
    options.add_argument("--seconds", type=float, default=STATED_S)
    arguments = options.parse_args()
    pin_load()
    require_dead()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # for all that hangs
    doubts = []
    stated = (STATED_LANES, STATED_EVENTS)
    if (arguments.lanes, arguments.events) != stated or arguments.seconds < STATED_S:
        doubts.append(
            f"stated for {STATED_LANES} destinations, {STATED_EVENTS} events and {STATED_S:g} s"
        )
    with tempfile.TemporaryDirectory(dir=arguments.directory) as base:
        print_facts(
            base,
            f"{arguments.lanes} dead destinations, each owed the same {arguments.events} events of "
            f"{EVENT_BYTES // 1000} KB at the start, and {RATE:g} new ones/s for "
            f"{arguments.seconds:g} s, which one healthy destination gets too",
        )
        if not arguments.hanging:
            print("refusing")
            (Path(base) / "refusing").mkdir()
            run = uvloop.run(measure(Path(base) / "refusing", arguments, hangs=False))
            show(run, hangs=False)
            require_live(run, arguments.lanes, hangs=False)
            print(judge(REFUSING_MB, run.peak_mb, doubts), flush=True)
        if not arguments.refusing:
            print("hanging")
            (Path(base) / "hanging").mkdir()
            run = uvloop.run(measure(Path(base) / "hanging", arguments, hangs=True))
            show(run, hangs=True)
            require_live(run, arguments.lanes, hangs=True)
            print(judge(HANGING_MB, run.peak_mb, doubts), flush=True)


if __name__ == "__main__":
    finish(main)
