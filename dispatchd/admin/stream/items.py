"""What is told: each thing once, spelled once, and who wants it."""

from typing import Final

import orjson

from dispatchd.admin.stream.blocks import block
from dispatchd.admin.stream.watch import Ended
from dispatchd.frozen import frozen
from dispatchd.model import EventStatus, event_bytes
from dispatchd.shapes.live import delivery_word, live_attempt_fields, live_event_fields
from dispatchd.store.base import EventQuery
from dispatchd.store.following import Kept

ITEM_BYTES: Final = 1024  # about what one takes beside a sender's bytes


@frozen
class Wanted:
    """What a follower is told: events that `query` is after, and attempts at those.

    `whole` events come with headers and body. With a `search` there are no attempts, which know
    no body, and the store alone is asked.
    """

    query: EventQuery
    attempts: bool = False
    whole: bool = False


class EventItem:
    """An event, as it was read from the store."""

    __slots__ = ("_brief", "_whole", "kept", "size_bytes")

    def __init__(self, kept: Kept) -> None:
        self.kept = kept
        self._brief: bytes | None = None
        self._whole: bytes | None = None
        whole = 0 if kept.event is None else event_bytes(kept.event)
        self.size_bytes = ITEM_BYTES + 3 * whole  # spelled as JSON it is there again

    def block(self, *, whole: bool) -> bytes:
        """Return it as it is sent."""
        kept = self.kept
        if whole and kept.event is not None:
            if self._whole is None:
                fields = live_event_fields(kept.summary, kept.event)
                self._whole = block("event", orjson.dumps(fields), kept.summary.id)
            return self._whole
        if self._brief is None:
            fields = live_event_fields(kept.summary)
            self._brief = block("event", orjson.dumps(fields), kept.summary.id)
        return self._brief

    def is_wanted(self, wanted: Wanted) -> bool:
        """Whether the store would have found it for this query, which has no `search`."""
        query, summary = wanted.query, self.kept.summary
        return (
            query.endpoint in (None, summary.endpoint)
            and query.event_type in (None, summary.event_type)
            and query.status in (None, summary.status)
            and (query.since_ms is None or query.since_ms <= summary.received_ms)
            and self._has_delivery(query)
        )

    def _has_delivery(self, query: EventQuery) -> bool:
        if query.destination is None and query.delivery_status is None:
            return True
        return any(
            query.destination in (None, name) and query.delivery_status in (None, status)
            for name, status in self.kept.summary.statuses.items()
        )


class AttemptItem:
    """An attempt that ended. It has no id: what was told of it is not told again."""

    __slots__ = ("_block", "_ended")
    size_bytes = 4 * ITEM_BYTES  # with the first 2 KB of the answer

    def __init__(self, ended: Ended) -> None:
        self._ended = ended
        self._block: bytes | None = None

    def block(self, *, whole: bool) -> bytes:  # noqa: ARG002 - there is nothing more to it
        """Return it as it is sent."""
        if self._block is None:
            told = self._ended
            fields = live_attempt_fields(told.attempt, told.endpoint, told.event_type, told.verdict)
            self._block = block("attempt", orjson.dumps(fields))
        return self._block

    def is_wanted(self, wanted: Wanted) -> bool:
        """Whether it is an attempt at what is wanted."""
        query, told = wanted.query, self._ended
        return (
            wanted.attempts
            and query.search is None
            and query.status is not EventStatus.FILTERED
            and query.endpoint in (None, told.endpoint)
            and query.event_type in (None, told.event_type)
            and query.destination in (None, told.attempt.destination)
            and query.delivery_status in (None, delivery_word(told.verdict))
        )


class MissedItem:
    """There were attempts that nobody is told of any more."""

    __slots__ = ()
    size_bytes = 0

    def block(self, *, whole: bool) -> bytes:  # noqa: ARG002 - likewise
        """Return it as it is sent."""
        return block("missed", b'{"kind":"missed"}')

    def is_wanted(self, wanted: Wanted) -> bool:
        """Whether attempts were wanted."""
        return wanted.attempts


Item = EventItem | AttemptItem | MissedItem
