"""What another process leaves to a daemon's lanes, and time that passes for them."""

from pathlib import Path

from nouns import an_event
from rig import Daemon, FakeClock

from dispatchd.store import store_from_url

A_SECOND_OR_SO = 3


async def owed_by_another(path: Path, clock: FakeClock, events: int, *names: str) -> None:
    """Keep events from another process, or as a daemon that was killed leaves them."""
    store = store_from_url(f"sqlite:///{path}/dispatchd.db")
    await store.open()
    for _ in range(events):
        await store.add_event(an_event(received_ms=clock.now_ms()), names)
    await store.close()


async def seconds_pass(daemon: Daemon, clock: FakeClock, seconds: int) -> None:
    """Let time pass a second at a time, and the database's threads have their say."""
    for _ in range(seconds):
        for _ in range(5):
            await daemon.store.stats(0)  # a write would be noticed: that is a look
        clock.advance(1.0)
    for _ in range(5):
        await daemon.store.stats(0)  # a write would be noticed: that is a look
