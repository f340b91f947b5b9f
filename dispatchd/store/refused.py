"""Refused requests, kept so that a sender's "you say 401" can be looked into afterwards."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import field
from typing import Protocol

from dispatchd.frozen import frozen


@frozen
class RefusedRequest:
    """A request that was refused, as it is kept. `id` is 0 until it is.

    `endpoint` is None where `slug`, as it was asked for, is nobody's. `reason` is the code of
    the answer, `at_ms` Unix ms. Of headers that may prove somebody there is the name alone.
    `body_bytes` is None where nobody knows; `body` where it is not kept.
    """

    endpoint: str | None
    slug: str
    at_ms: int
    method: str
    status: int
    reason: str
    message: str
    source_ip: str | None
    headers: tuple[tuple[str, str], ...]
    body_bytes: int | None
    body: bytes | None = field(default=None, repr=False)
    id: int = 0


@frozen
class RefusedQuery:
    """Which refused requests to list, newest first. None means any; `before` continues a listing.

    `endpoint` is a slug, or "" for requests to slugs that are nobody's. Times are Unix ms. A page
    ends with the request whose body goes beyond `bodies_max_bytes` in all.
    """

    endpoint: str | None = None
    reason: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    before: int | None = None
    limit: int = 50
    bodies_max_bytes: int | None = None


@frozen
class Answered:
    """What is counted of answers that kept no event: `minute` is Unix time in whole minutes."""

    minute: int
    endpoint: str | None
    result: str


class Refused(Protocol):
    """What is asked about refused requests. They are kept at best effort: no answer waits."""

    async def keep_refused(
        self,
        requests: Collection[RefusedRequest],
        keep: Mapping[tuple[str | None, str], int],
        answered: Mapping[Answered, int],
    ) -> None:
        """Keep requests, and count answers, in one transaction.

        `keep` is how many at most are kept of an endpoint and reason: the last ones.
        """

    async def find_refused(self, query: RefusedQuery) -> Sequence[RefusedRequest]:
        """List refused requests, newest first."""

    async def get_refused(self, number: int) -> RefusedRequest | None:
        """Return one; None where there is none, or none any more."""
