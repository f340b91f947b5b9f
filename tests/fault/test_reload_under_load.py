"""Reload after reload under load: no request is refused, nothing is lost or sent twice.

`DISPATCHD_RELOADS=100 pytest -s tests/fault/test_reload_under_load.py` takes about a minute, asks
every 100 ms as the short run does, and prints what it saw.
"""

import asyncio
import os
import signal
import time
from pathlib import Path

import aiohttp
from aiohttp import web
from rig_process import ProcessDaemon
from rig_reload import (
    ONE,
    OTHER,
    Counting,
    assert_each_once,
    everything_is_delivered,
    rows,
    write,
)

RELOADS = int(os.environ.get("DISPATCHD_RELOADS", "6"))
ASK_EVERY_S = 0.1
SENDERS = 8
GROWTH_MAX_KB = 24 * 1024  # a plan, its lanes and their tasks that stayed would soon be more


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
    while len(memory) < RELOADS:
        write(config, ONE if len(memory) % 2 else OTHER, url, daemon.database)
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
    assert_each_once(sink, kept, acked)
    daemon.check_database()
    settled = memory[len(memory) // 3]
    assert max(memory) - settled < GROWTH_MAX_KB, memory
    print(  # noqa: T201 - for who runs it by hand
        f"\n{len(memory)} reloads in {took_s:.0f} s; {len(acked)} events, {len(kept)} deliveries,"
        f" {sum(sink.requests.values())} requests; memory {memory[0]} kB,"
        f" after a third {settled} kB, at most {max(memory)} kB, at the end {memory[-1]} kB"
    )
