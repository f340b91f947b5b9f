"""Time as a parameter: the wall clock, waiting, and time-ordered ids."""

import asyncio
import time
from typing import Protocol

import uuid_utils


class Clock(Protocol):
    """What the daemon asks of time; tests hand in a fake."""

    def now_ms(self) -> int:
        """Wall clock in Unix milliseconds; it may jump."""

    def monotonic_s(self) -> float:
        """Seconds that never jump, from an arbitrary start."""

    def processor_s(self) -> float:
        """Seconds of processors that this process has used, on all of them."""

    async def wait(self, event: asyncio.Event, timeout_s: float) -> None:
        """Return when `event` is set or `timeout_s` has passed."""


class SystemClock:
    """The machine's clocks."""

    def now_ms(self) -> int:
        """Wall clock in Unix milliseconds."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Seconds since an arbitrary start."""
        return time.monotonic()

    def processor_s(self) -> float:
        """Seconds of processors that this process has used, on all of them."""
        return time.process_time()

    async def wait(self, event: asyncio.Event, timeout_s: float) -> None:
        """Return when `event` is set or `timeout_s` has passed."""
        try:
            async with asyncio.timeout(timeout_s):
                await event.wait()
        except TimeoutError:
            pass


def monotonic_of(clock: Clock, at_ms: int) -> float:
    """Return when (monotonic, s) it will be `at_ms` (Unix ms), unless the wall clock is set."""
    return clock.monotonic_s() + (at_ms - clock.now_ms()) / 1000


def new_id() -> str:
    """Return a UUIDv7 (RFC 9562 section 5.7), monotonic within this process.

    Time-ordered keys append to the right edge of every index, which is what keeps the cost
    of an insert independent of how many rows came before it.
    """
    return str(uuid_utils.uuid7())
