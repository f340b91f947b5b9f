"""Whatever a process was told is kept, is there after the process was killed."""

import asyncio
import sys

from dispatchd.store import store_from_url
from dispatchd.store.base import EventQuery

ENOUGH = 100
WRITER = """
import asyncio, sys
from nouns import an_event
from dispatchd.store import store_from_url

async def one(store):
    while True:
        event = an_event()
        await store.add_event(event, ["crm", "audit"])
        print(event.id, flush=True)

async def main():
    store = store_from_url(sys.argv[1])
    await store.open()
    await store.open_lanes(["crm", "audit"])
    await asyncio.gather(*(one(store) for _ in range(16)))

asyncio.run(main())
"""


async def test_what_was_added_outlives_a_kill(store_url: str) -> None:
    writer = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        f"import sys; sys.path[:0] = {sys.path!r}\n{WRITER}",
        store_url,
        stdout=asyncio.subprocess.PIPE,
    )
    assert writer.stdout is not None
    told = [await writer.stdout.readline() for _ in range(ENOUGH)]
    writer.kill()
    told += (await writer.stdout.read()).splitlines(keepends=True)
    await writer.wait()
    ids = {line.decode().strip() for line in told if line.endswith(b"\n")}
    assert len(ids) >= ENOUGH
    store = store_from_url(store_url)
    await store.open()
    found = await store.find_events(EventQuery(limit=1_000_000))
    await store.close()
    assert ids <= {summary.id for summary in found}
    assert all(sum(summary.deliveries.values()) == 2 for summary in found)
