"""Memory, start and ingest rate with a million deliveries queued for a dead destination.

    python bench/backlog.py [--deliveries 1000000] [--rounds 3] [--seconds 6] [--directory DIR]

The load's endpoint is linked to the dead destination with and without the backlog, so both
sides do the same work for a new event. A full run writes about 2 GB.
"""

import argparse
import http.client
import socket
import statistics
import tempfile
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import uvloop
from load import SLUG, Outcome, closed_loop, requests
from machine import RefusedError, finish, print_facts, verdict, warn_spread
from seed import fill
from servers import (
    DESTINATION,
    START_S,
    Server,
    daemon,
    delivery_counts,
    pin_load,
    require_stored,
)

START_MB = 80.0
BACKLOG_MB = 150.0
FIRST_ACCEPTED_S = 2.0
MUST_RATIO = 0.9
CONNECTIONS = 64
WARM_UP_S = 1.0
DEAD_PORT = 9
DEAD_URL = f"http://127.0.0.1:{DEAD_PORT}/in"


@dataclass
class Run:
    outcome: Outcome
    start_mb: float
    load_mb: float
    peak_mb: float
    first_s: float


def first_accepted(server: Server) -> str:
    """Post one event until it is answered 202; return its id."""
    request = requests(server.port)[0]
    while time.monotonic() < server.started + START_S:
        with (
            suppress(OSError),
            closing(socket.create_connection(("127.0.0.1", server.port))) as peer,
        ):
            peer.sendall(request)
            reply = http.client.HTTPResponse(peer)
            reply.begin()
            body = reply.read().decode()
            if reply.status == 202:
                return body.split('"')[3]
        time.sleep(0.002)
    raise RefusedError(f"no 202 within {START_S:g} s of the start")


def one_run(directory: Path, database: str, seconds: float) -> Run:
    with daemon(directory, url=DEAD_URL, database=database, ready=False) as server:
        first = first_accepted(server)
        first_s = time.monotonic() - server.started
        start_mb = server.memory_mb()
        warm = uvloop.run(closed_loop(server.port, seconds=WARM_UP_S, connections=CONNECTIONS))
        outcome = uvloop.run(closed_loop(server.port, seconds=seconds, connections=CONNECTIONS))
        load_mb, peak_mb = server.memory_mb(), server.memory_mb("VmHWM")
    warm.require_clean()
    outcome.require_clean()
    acked = {first, *(one.event_id for one in warm.acked + outcome.acked)}
    require_stored(directory / database, acked)
    return Run(outcome, start_mb, load_mb, peak_mb, first_s)


def show(name: str, run: Run) -> None:
    print(
        f"  {name:<8} {run.outcome.rate:8.0f} events/s  RSS {run.start_mb:.0f} MB after the first "
        f"202, {run.load_mb:.0f} after load, peak {run.peak_mb:.0f}; "
        f"first 202 {run.first_s:.2f} s; {run.outcome.generator()}",
        flush=True,
    )


def require_dead() -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", DEAD_PORT)) == 0:
            raise RefusedError(
                f"something listens on port {DEAD_PORT}: the destination is not dead"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--directory", help="where the databases go; default: the system's temp")
    arguments = parser.parse_args()
    pin_load()
    require_dead()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as base:
        directory = Path(base)
        print_facts(
            base,
            f"{arguments.deliveries} deliveries due now for a refused port; closed loop to "
            f"/hooks/{SLUG}, {CONNECTIONS} connections, 1 KB bodies, HMAC, linked to the same "
            f"destination; {arguments.rounds} alternating rounds of {arguments.seconds:g} s; "
            "page cache warm",
        )
        full = directory / "full.db"
        fill(full, arguments.deliveries, DESTINATION)
        print(f"database  {full.stat().st_size / 1e6:.0f} MB", flush=True)
        empties, fulls = [], []
        for number in range(arguments.rounds):
            empties.append(one_run(directory, f"empty{number}.db", arguments.seconds))
            show("empty", empties[-1])
            fulls.append(one_run(directory, full.name, arguments.seconds))
            show("backlog", fulls[-1])
        kept = sum(delivery_counts(full).values())
        expected = arguments.deliveries + sum(len(run.outcome.acked) for run in fulls)
        if kept < expected:
            raise RefusedError(f"{expected - kept} deliveries are gone from the database")
    pairs = zip(fulls, empties, strict=True)
    ratios = [full_run.outcome.rate / empty_run.outcome.rate for full_run, empty_run in pairs]
    print("every acknowledged event is stored, and no queued delivery is gone")
    start_mb = max(run.start_mb for run in empties)
    peak_mb = max(run.peak_mb for run in fulls)
    first_s = max(run.first_s for run in fulls)
    ratio = statistics.median(ratios)
    verdict("RSS after start", start_mb, START_MB, at_least=False, unit=" MB")
    verdict("peak RSS with the backlog", peak_mb, BACKLOG_MB, at_least=False, unit=" MB")
    verdict("first 202 with the backlog", first_s, FIRST_ACCEPTED_S, at_least=False, unit=" s")
    warn_spread(ratios)
    verdict("ingest with the backlog (median)", ratio, MUST_RATIO, at_least=True)


if __name__ == "__main__":
    finish(main)
