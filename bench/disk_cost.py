"""What one event takes on disk: bytes of the database for each, once it is delivered.

    python bench/disk_cost.py [--events 20000] [--directory DIR]

Bodies of 1 KB, eight headers, an answer of two bytes; with no destination,
with one and with three. The counts that statistics read are in it.
"""

import argparse
import asyncio
import tempfile
from pathlib import Path

import uvloop
from store_cost import an_event

from dispatchd.model import Attempt, Delivered, Event
from dispatchd.store import Store, store_from_url
from dispatchd.store.base import Duplicate

AT_ONCE = 500


async def keep(store: Store, names: list[str]) -> None:
    """Keep an event and settle each of its deliveries."""
    event: Event = an_event()
    added = await store.add_event(event, names, claim=names)
    assert not isinstance(added, Duplicate)
    for name, delivery in zip(names, added, strict=True):
        attempt = Attempt(
            event.id, name, 1, event.received_ms, 1.5, 200, None, None,
            (("Server", "x"), ("Content-Type", "text/plain")), b"ok", None,
        )  # fmt: skip
        await store.record(delivery, attempt, Delivered())


async def bytes_each(path: Path, events: int, destinations: int) -> float:
    """Return the bytes of a database for each of its events."""
    store = store_from_url(f"sqlite:///{path}")
    await store.open()
    names = [f"destination-{number}" for number in range(destinations)]
    await store.open_lanes(names)
    empty = path.stat().st_size
    for _ in range(events // AT_ONCE):
        await asyncio.gather(*(keep(store, names) for _ in range(AT_ONCE)))
    await store.close()  # which brings the log into the file
    return (path.stat().st_size - empty) / (events // AT_ONCE * AT_ONCE)


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--directory", default=None)
    options = parser.parse_args()
    for destinations in (0, 1, 3):
        with tempfile.TemporaryDirectory(dir=options.directory) as directory:
            path = Path(directory) / "d.db"
            each = uvloop.run(bytes_each(path, options.events, destinations))
        print(f"{destinations} destinations: {each:.0f} bytes an event", flush=True)


if __name__ == "__main__":
    main()
