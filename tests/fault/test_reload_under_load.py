"""Reload after reload under load: no request is refused, nothing is lost or sent twice.

`DISPATCHD_RELOADS=150 pytest -s tests/fault/test_reload_under_load.py` takes about a minute, asks
every 100 ms as the short run does, and prints what it saw.
"""

import asyncio
import os
import signal
import sqlite3
import time
from collections import Counter
from pathlib import Path

import aiohttp
from aiohttp import web
from rig import SECRET
from rig_process import ProcessDaemon

RELOADS = int(os.environ.get("DISPATCHD_RELOADS", "8"))
ASK_EVERY_S = 0.1
SENDERS = 8
GROWTH_MAX_KB = 24 * 1024  # a plan, its lanes and their tasks that stayed would soon be more
# What they differ in: each part is changed, one destination and one endpoint come and go.
ONE = {
    "RATE": "1000/s",
    "TIMEOUT": "5s",
    "LINKS": "[fast, slow, failing, coming]",
    "COMING": "  coming: {url: 'URL/coming'}",
    "ENDPOINT": "",
    "ORDERED": "ordered: false",
}
OTHER = {
    "RATE": "2000/s",
    "TIMEOUT": "6s",
    "LINKS": "[fast, slow, failing]",
    "COMING": "",
    "ENDPOINT": "  second: {auth: none}",
    "ORDERED": "ordered: true",
}
CONFIG = """
server: {listen: '127.0.0.1:0'}
storage: {url: 'sqlite:///DATABASE'}
endpoints:
  my-slug: {secret: SECRET, rate_limit: RATE, destinations: LINKS}
ENDPOINT
destinations:
  fast: {url: 'URL/fast'}
  slow: {url: 'URL/slow', timeout: TIMEOUT, max_in_flight: 4, rate_limit: 500/s}
  failing: {url: 'URL/failing', ORDERED, retry: {max_attempts: 99, backoff: [10ms]}}
COMING
"""


def write(path: Path, parts: dict[str, str], url: str, database: Path) -> None:
    text = CONFIG
    for name, part in (*parts.items(), ("URL", url), ("DATABASE", str(database))):
        text = text.replace(name, part)
    fresh = path.with_suffix(".new")
    fresh.write_text(text.replace("secret: SECRET", f"secret: {SECRET}"))
    fresh.replace(path)


class Counting:
    """Counts requests and 200s by destination and event; `failing` answers every third with 500."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()
        self.good: Counter[tuple[str, str]] = Counter()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        key = (request.path[1:], request.headers["X-Dispatch-Event-ID"])
        self.requests[key] += 1
        if key[0] == "failing" and sum(self.requests.values()) % 3 == 0:
            return web.Response(status=500)
        self.good[key] += 1
        return web.Response()


def rss_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


async def send(daemon: ProcessDaemon, acked: list[str], stop: asyncio.Event) -> None:
    async with aiohttp.ClientSession() as http:
        while not stop.is_set():
            status, document, _ = await daemon.post(http, b'{"action":"opened"}')
            assert status == 202, document
            acked.append(document["event_id"])


async def reload_again_and_again(daemon: ProcessDaemon, config: Path, url: str) -> list[int]:
    """Ask until enough reloads have changed something; return the memory after each."""
    memory: list[int] = []
    asked = 0
    while len(memory) < RELOADS:
        asked += 1
        write(config, OTHER if asked % 2 else ONE, url, daemon.database)
        daemon.process.send_signal(signal.SIGHUP)
        await asyncio.sleep(ASK_EVERY_S)
        done = [line for line in daemon.log.of("reloaded") if line["changes"]]
        if len(done) > len(memory):
            memory += [rss_kb(daemon.process.pid)] * (len(done) - len(memory))
    write(config, ONE, url, daemon.database)  # each destination is there again
    seen = len(daemon.log.of("reloaded"))
    daemon.process.send_signal(signal.SIGHUP)
    await daemon.log.wait_for("reloaded", seen + 1)
    daemon.process.send_signal(signal.SIGHUP)  # the last may have begun before it was asked
    await daemon.log.wait_for("reloaded", seen + 2)
    return memory


def rows(database: Path) -> dict[tuple[str, str], tuple[str, int]]:
    connection = sqlite3.connect(database)
    try:
        found = connection.execute(
            "SELECT destination, lower(hex(event_id)), status, attempts FROM deliveries"
        ).fetchall()
    finally:
        connection.close()
    return {(name, event): (status, attempts) for name, event, status, attempts in found}


async def everything_is_delivered(database: Path) -> None:
    async with asyncio.timeout(120):
        while any(status != "success" for status, _ in rows(database).values()):
            await asyncio.sleep(ASK_EVERY_S)


async def test_nothing_is_refused_lost_or_doubled(tmp_path: Path) -> None:
    sink = Counting()
    server = web.ServerRunner(web.Server(sink.handle), shutdown_timeout=0.1)
    await server.setup()
    await web.TCPSite(server, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{server.addresses[0][1]}"
    config, database = tmp_path / "config.yaml", tmp_path / "dispatchd.db"
    daemon = ProcessDaemon(config, database)
    write(config, ONE, url, database)
    await daemon.start()
    acked: list[str] = []
    stop = asyncio.Event()
    began_s = time.monotonic()
    try:
        senders = [asyncio.create_task(send(daemon, acked, stop)) for _ in range(SENDERS)]
        memory = await reload_again_and_again(daemon, config, url)
        took_s = time.monotonic() - began_s
        stop.set()
        await asyncio.gather(*senders)  # one that was refused raises here
        await everything_is_delivered(database)
        assert await daemon.terminate() == 0
    finally:
        await daemon.kill()
        await server.cleanup()
    assert daemon.log.of("reload_refused") == []
    assert daemon.log.of("internal_error") == []
    kept = rows(database)
    seen = {(name, event.replace("-", "")): n for (name, event), n in sink.requests.items()}
    good = {(name, event.replace("-", "")): n for (name, event), n in sink.good.items()}
    assert {event for _, event in kept} == {event.replace("-", "") for event in acked}
    assert good == dict.fromkeys(kept, 1)
    assert seen == {key: attempts for key, (_, attempts) in kept.items()}
    daemon.check_database()
    coming = sum(name == "coming" for name, _ in kept)
    assert 0 < coming < len(acked)
    settled = memory[len(memory) // 3]
    assert max(memory) - settled < GROWTH_MAX_KB, memory
    print(  # noqa: T201 - for who runs it by hand
        f"\n{len(memory)} reloads in {took_s:.0f} s; {len(acked)} events, {len(kept)} deliveries,"
        f" {sum(seen.values())} requests; memory {memory[0]} kB, after a third {settled} kB,"
        f" at most {max(memory)} kB, at the end {memory[-1]} kB"
    )
