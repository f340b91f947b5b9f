"""Events whole, in the order in which they were kept: for whoever takes them elsewhere."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from dispatchd.frozen import frozen
from dispatchd.model import Event

if TYPE_CHECKING:
    from dispatchd.store.base import EventQuery


@frozen
class Exported:
    """Some events, the oldest first; `after` leads to the next ones, None at the end."""

    events: Sequence[Event]
    after: int | None


class Export(Protocol):
    """What an export asks."""

    async def export(self, query: "EventQuery", after: int) -> Exported:
        """Return the events kept after a place, 0 for the first, for which all of `query` holds.

        So many as its `limit` says at most, and no more than some megabytes of bodies.
        """
