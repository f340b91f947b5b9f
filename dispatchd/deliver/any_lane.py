"""What all lanes have in common, whether what is owed is sent or claimed."""

import asyncio
from typing import Final, Protocol

from dispatchd.deliver.spec import LaneSpec
from dispatchd.model import Delivery, Event, Hold

DONE_POLL_S: Final = 1.0  # how often a lane that has left the config asks whether it is done


class AnyLane(Protocol):
    """A lane as `Lanes` knows it: run `run` as a task; end with `stop`."""

    @property
    def pulled(self) -> bool:
        """Whether consumers claim what is owed; else it is sent."""

    def offer(self, size_bytes: int) -> bool:
        """Reserve room for a new event of `size_bytes`; False where it must wait in the store."""

    def withdraw(self, size_bytes: int) -> None:
        """Give back what was reserved: the event was not kept."""

    def push(self, delivery: Delivery, event: Event) -> None:
        """Take a delivery that was claimed for this lane as it was committed."""

    def look(self) -> None:
        """Look into the store soon: there is something new in it."""

    def kept(self, holds: tuple[Hold, ...]) -> None:
        """Hear what the store keeps of why this lane is held."""

    def change(self, spec: LaneSpec) -> None:
        """Go on by another spec of the same destination, and of the same kind."""

    def reopen(self) -> None:
        """Start again what `close` has ended."""

    @property
    def done(self) -> bool:
        """Whether a closed lane has nothing in hand."""

    @property
    def closed(self) -> bool:
        """Whether it starts nothing new."""

    async def linger(self) -> None:
        """Wait for a moment in which a closed lane may be done, or until it is reopened."""

    async def run(self) -> None:
        """Deliver until stopped. Whatever is raised here is a surprise."""

    def busy(self) -> int:
        """Return how many exchanges are under way."""

    def close(self) -> None:
        """Start nothing new; what waits in memory waits in the store."""

    async def stop(self, deadline_s: float, cut: asyncio.Event) -> None:
        """Close, and let what is under way end and be written, until `deadline_s` or `cut`."""
