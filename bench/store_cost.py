"""What one event costs the store's threads: two transactions at a steady rate.

    python bench/store_cost.py [--rate 200] [--seconds 20] [--directory DIR]

Prints CPU milliseconds per event of the event loop's thread and of the writer's, and the pages
that the write-ahead log grew by. Run it before and after a change, a few times in turn.
"""

import argparse
import asyncio
import sqlite3
import tempfile
import time
from pathlib import Path

import uuid_utils

from dispatchd.clock import SystemClock, new_id
from dispatchd.model import Attempt, Delivered, Event, EventStatus
from dispatchd.store import store_from_url
from dispatchd.store.base import Duplicate

FRAME_BYTES = 4096 + 24  # https://www.sqlite.org/fileformat2.html#the_write_ahead_log
HEADERS = tuple((f"X-Header-{n}", "value " * 4) for n in range(8))
ENDPOINT_ID = str(uuid_utils.uuid7())


def an_event() -> Event:
    """Return a webhook of a kilobyte."""
    return Event(
        new_id(), "slug", ENDPOINT_ID, SystemClock().now_ms(), "opened", "192.0.2.1",
        EventStatus.RECEIVED, None, "application/json", HEADERS, b"x" * 1024, "github[0]",
    )  # fmt: skip


async def measure(path: Path, rate: float, seconds: float) -> None:
    """Keep and settle `rate` events a second; print what they cost."""
    store = store_from_url(f"sqlite:///{path}")
    await store.open()
    await store.open_lanes(["crm"])
    writer = store._writer  # noqa: SLF001 - the thread that is measured

    async def one() -> None:
        event = an_event()
        added = await store.add_event(event, ["crm"], claim=["crm"])
        assert not isinstance(added, Duplicate)
        attempt = Attempt(
            event.id, "crm", 1, event.received_ms, 1.5, 200, None, None,
            (("Server", "x"), ("Content-Type", "text/plain")), b"ok", None,
        )  # fmt: skip
        await store.record(added[0], attempt, Delivered())

    async def run(count: int) -> None:
        began = time.monotonic()
        tasks = set()
        for n in range(count):
            await asyncio.sleep(max(0.0, began + n / rate - time.monotonic()))
            task = asyncio.create_task(one())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)

    async def thread_s() -> float:
        return float(await writer._execute(time.thread_time))  # noqa: SLF001 - likewise

    await run(int(rate))
    count = int(rate * seconds)
    loop_s, writer_s = time.thread_time(), await thread_s()
    await run(count)
    loop_s, writer_s = time.thread_time() - loop_s, await thread_s() - writer_s
    wal_bytes = Path(f"{path}-wal").stat().st_size
    await store.close()
    with sqlite3.connect(path) as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    print(
        f"{count} events at {rate:g}/s: loop {loop_s / count * 1000:.3f} ms,"
        f" writer {writer_s / count * 1000:.3f} ms of CPU per event;"
        f" log {wal_bytes // FRAME_BYTES} frames at its longest, database {pages} pages"
    )


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--directory", default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        asyncio.run(measure(Path(directory) / "s.db", options.rate, options.seconds))


if __name__ == "__main__":
    main()
