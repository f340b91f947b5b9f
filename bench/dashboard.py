"""What the dashboard's pages cost with a long history: server time and size of each.

A database with so many events of 30 days (bulk SQL, the same tables and indexes that the daemon
has), counts for all of them, a backlog and failed deliveries; then a daemon on it, and each page
asked for over one kept connection: the first time, and again, median and worst. Before them
one page is asked for that has the templates read and compiled, which happens once. The time is
the whole exchange on loopback. Sizes are with the style and script.

    python bench/dashboard.py [--events N] [--rounds N] [--directory DIR] [--keep]
"""

import argparse
import asyncio
import itertools
import json
import random
import re
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
from seed import CHUNK, opened, uuid7

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from dispatchd.store.counts import LATENCY_BOUNDS_MS

PAGE_MS, PAGE_BYTES = 50, 100 * 1024  # what a page may take, and weigh
DAYS = 30
ENDPOINTS = [f"shop-{n}" for n in range(8)]
DESTINATIONS = [f"service-{n}" for n in range(12)]
QUIET = "quiet"  # an endpoint with one event, the oldest
PAUSED = "warehouse"
BACKLOG = 20_000
DETAILED = 100_000  # of the last events, with attempts
NEVER = "a text that stands nowhere"


def fill(database: Path, count: int) -> None:
    """Migrate, then insert events, deliveries, attempts and counts."""

    async def migrate() -> None:
        async with opened(database):
            pass

    asyncio.run(migrate())
    connection = sqlite3.connect(database, isolation_level=None)
    for pragma in ("synchronous = OFF", "cache_size = -400000", "wal_autocheckpoint = 20000"):
        connection.execute(f"PRAGMA {pragma}")
    names = [(name,) for name in (*DESTINATIONS, PAUSED)]
    connection.executemany("INSERT OR IGNORE INTO lanes (destination) VALUES (?)", names)
    connection.execute(
        "INSERT INTO holds (destination, kind, reason, since_ms, detail)"
        " VALUES (?, 'paused', 'stocktaking', ?, NULL)",
        (PAUSED, time.time_ns() // 1_000_000),
    )
    began = time.perf_counter()
    made = rows(count)
    done = 0
    while chunk := list(itertools.islice(made, CHUNK)):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT INTO events (id, endpoint, endpoint_id, received_ms, event_type, source_ip,"
            " status, filtered_by, content_type, auth, headers, body) VALUES (?, ?, ?, ?, ?,"
            " '192.0.2.7', 'received', NULL, 'application/json', 'hmac[0]',"
            ' \'[["User-Agent","Shop/3.1"],["X-Event-Type","order.paid"]]\', ?)',
            [row[:6] for row in chunk],
        )
        owed = [
            (row[0], name, status, int(status != "queued"), row[3])
            for row in chunk
            for name, status in row[6]
        ]
        connection.executemany(
            "INSERT INTO deliveries (event_id, destination, status, attempts, due_ms)"
            " VALUES (?, ?, ?, ?, ?)",
            owed,
        )
        if done + len(chunk) > count - DETAILED:
            connection.executemany(
                "INSERT INTO attempts (event_id, destination, number, started_ms, latency_ms,"
                " status_code, error, message, response_headers, response_head)"
                " VALUES (?, ?, 1, ?, 38.5, 200, NULL, NULL, '[]', x'6f6b')",
                [(one[0], one[1], one[4] + 2) for one in owed if one[2] != "queued"],
            )
        connection.execute("COMMIT")
        done += len(chunk)
        if done % 1_000_000 < CHUNK:
            print(f"  {done:,} events after {time.perf_counter() - began:,.0f} s", flush=True)
    lay_counts(connection, count)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def rows(count: int) -> Iterator[tuple]:
    """Events as rows, oldest first, each with what it is owed to."""
    dice = random.Random(7)
    now_ms = time.time_ns() // 1_000_000
    step_ms = DAYS * 86_400_000 / count
    endpoint_id = uuid7(now_ms)
    bodies = [
        json.dumps(
            {"id": n, "type": "order.paid", "amount": n * 7, "lines": [{"sku": "x" * 40}] * 4}
        )
        for n in range(256)
    ]
    for number in range(count):
        at_ms = round(now_ms - (count - number) * step_ms)
        slug = QUIET if number == 0 else ENDPOINTS[number % len(ENDPOINTS)]
        first = DESTINATIONS[number % len(DESTINATIONS)]
        status = "failed" if dice.random() < 0.005 else "success"
        owed = [(first, status)]
        if number % 2:
            owed.append((DESTINATIONS[(number // 2 + 5) % len(DESTINATIONS)], "success"))
            owed = list(dict(owed).items())
        if number >= count - BACKLOG:
            owed.append((PAUSED, "queued"))
        body = bodies[number % 256].encode()
        yield uuid7(at_ms), slug, endpoint_id, at_ms, "order.paid", body, owed


def lay_counts(connection: sqlite3.Connection, count: int) -> None:
    """What the daemon would have counted of them."""
    now_s = int(time.time())
    classes = LATENCY_BOUNDS_MS[6:14]
    per_minute = count / DAYS / 1440
    endpoints, destinations = [], []
    for span_s, since_s in ((60, now_s - 26 * 3600), (3600, now_s - DAYS * 86_400)):
        for at_s in range(since_s // span_s * span_s, now_s, span_s):
            much = per_minute * span_s / 60
            for slug in ENDPOINTS:
                endpoints.append((span_s, at_s, slug, "received", int(much / len(ENDPOINTS)) + 1))
                endpoints.append((span_s, at_s, slug, "invalid_signature", 1))
            for name in DESTINATIONS:
                share = int(much * 1.5 / len(DESTINATIONS) / len(classes)) + 1
                rows_of = [(span_s, at_s, name, "success", within, share) for within in classes]
                destinations += [*rows_of, (span_s, at_s, name, "failed", classes[3], 1)]
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(
        "INSERT OR REPLACE INTO endpoint_counts VALUES (?, ?, ?, ?, ?)", endpoints
    )
    connection.executemany(
        "INSERT OR REPLACE INTO destination_counts VALUES (?, ?, ?, ?, ?, ?)", destinations
    )
    connection.execute("UPDATE counted SET last_seq = (SELECT max(seq) FROM events)")
    connection.execute("COMMIT")


def config(database: Path, admin: int) -> str:
    destinations = {name: {"url": "http://127.0.0.1:9/"} for name in (*DESTINATIONS, PAUSED)}
    links = [*DESTINATIONS[:3], {"to": PAUSED, "filter": {"body.type": "order.paid"}}]
    endpoints = {slug: {"secret": "x" * 20, "destinations": links} for slug in (*ENDPOINTS, QUIET)}
    return json.dumps(
        {
            "server": {"listen": "127.0.0.1:0"},
            "admin": {"listen": f"127.0.0.1:{admin}"},
            "storage": {"url": f"sqlite:///{database}"},
            "endpoints": endpoints,
            "destinations": destinations,
        }
    )


def pages(database: Path) -> dict[str, str]:
    """The pages by name, among them those that look for what is rare, or old, or nowhere."""
    connection = sqlite3.connect(database)
    middle = connection.execute("SELECT max(seq) / 2 FROM events").fetchone()[0]

    def event(seq: int) -> str:
        found = connection.execute("SELECT id FROM events WHERE seq = ?", (seq,)).fetchone()[0]
        digits = found.hex()
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    old, new = event(middle), event(middle * 2 - 1)
    connection.close()
    return {
        "overview, hour": "/",
        "overview, day": "/?span=day",
        "overview, week": "/?span=week",
        "events": "/events",
        "events, half way back": f"/events?before={old}",
        "events, failed at one": f"/events?destination={DESTINATIONS[3]}&delivery=failed",
        "events, waiting": f"/events?destination={PAUSED}&delivery=held",
        "events, of a quiet endpoint": f"/events?endpoint={QUIET}",
        "events, a search in vain": f"/events?search={NEVER.replace(' ', '+')}",
        "event, new": f"/events/{new}",
        "event, old": f"/events/{old}",
        "destinations": "/destinations",
        "destination": f"/destinations/{DESTINATIONS[0]}?span=week",
        "destination, paused": f"/destinations/{PAUSED}",
        "endpoints": "/endpoints",
        "endpoint": f"/endpoints/{ENDPOINTS[0]}?span=week",
        "endpoint, quiet": f"/endpoints/{QUIET}",
        "jobs": "/jobs",
        "replay": "/jobs/new",
        "config": "/config",
    }


async def measure(url: str, wanted: dict[str, str], rounds: int) -> bool:
    """Ask for each page; print what it took and weighed. Whether each kept to its bounds."""
    good = True
    async with aiohttp.ClientSession(base_url=url, headers={"Accept": "text/html"}) as http:

        async def ask(path: str) -> tuple[float, bytes]:
            began = time.perf_counter()
            async with http.get(path) as response:
                body = await response.read()
                took_ms = (time.perf_counter() - began) * 1000
                assert response.status == 200, (path, response.status)
            return took_ms, body

        first_ms, body = await ask("/config")
        assets = sum(
            [
                len((await ask(path))[1])
                for path in set(re.findall(r'"(/static/[^"]+)"', body.decode()))
            ]
        )
        print(f"the first page of all, templates and all: {first_ms:.0f} ms\n")
        await asyncio.sleep(2)  # what is read ahead with it is read
        print(f"{'page':<30}{'first':>9}{'median':>9}{'worst':>9}{'size':>11}")
        for name, path in wanted.items():
            first_ms, body = await ask(path)
            again = [(await ask(path))[0] for _ in range(rounds)]
            median_ms, size = statistics.median(again), len(body) + assets
            kept = max(first_ms, median_ms) <= PAGE_MS and size <= PAGE_BYTES
            good = good and kept
            print(
                f"{name:<30}{first_ms:>6.1f} ms{median_ms:>6.1f} ms{max(again):>6.1f} ms"
                f"{size / 1024:>7.1f} KiB{'' if kept else '  OVER'}"
            )
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--directory", type=Path)
    parser.add_argument("--keep", action="store_true", help="use, or leave, a database there")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.directory) as scratch:
        place = asked.directory if asked.keep and asked.directory else Path(scratch)
        database = place / f"dashboard-{asked.events}.db"
        if not database.exists():
            print(f"filling {database} with {asked.events:,} events", flush=True)
            fill(database, asked.events)
        print(f"{asked.events:,} events, {database.stat().st_size / 2**30:.1f} GiB\n", flush=True)
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        path = Path(scratch) / "config.yaml"
        path.write_text(config(database, port))
        daemon = subprocess.Popen(
            [sys.executable, "-m", "dispatchd", "serve", "--config", path, "--log-format", "json"],
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            line = ""
            while '"admin_started"' not in line:
                line = daemon.stderr.readline() if daemon.stderr else ""
                assert line, "the daemon has ended"
            good = asyncio.run(measure(f"http://127.0.0.1:{port}", pages(database), asked.rounds))
        finally:
            daemon.terminate()
            daemon.communicate()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
