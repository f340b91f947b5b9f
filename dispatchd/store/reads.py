"""What the admin listener asks: what people ask, on a connection of its own."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from dispatchd.model import LaneState
from dispatchd.store.base import Archive
from dispatchd.store.following import Following
from dispatchd.store.jobs import JobReads
from dispatchd.store.refused import RefusedQuery, RefusedRequest


class Reads(Archive, Following, JobReads, Protocol):
    """A store opened to look, beside the daemon's own: what it is asked holds nobody up."""

    async def open(self) -> None:
        """Connect. Raises StoreUnusable where that cannot work."""

    async def disk(self) -> tuple[int, int]:
        """Return the bytes that the database takes, and those that are free beside it."""

    async def close(self) -> None:
        """Let go of the database."""

    async def lane_states(self) -> Mapping[str, LaneState]:
        """Return what holds each lane ever seen, by destination: one small read."""

    async def find_refused(self, query: RefusedQuery) -> Sequence[RefusedRequest]:
        """List refused requests, newest first."""

    async def get_refused(self, number: int) -> RefusedRequest | None:
        """Return one; None where there is none, or none any more."""
