"""The live stream: server-sent events."""

from typing import Final

from dispatchd.admin.api.operation import Asked, Operation, choice, event_id, moment, text
from dispatchd.admin.parts import AdminParts
from dispatchd.admin.stream.items import Wanted
from dispatchd.admin.stream.serving import Stream
from dispatchd.model import DeliveryStatus, EventStatus
from dispatchd.store.base import EventQuery
from dispatchd.store.following import Place

_LAST: Final = "Last-Event-ID"
_YES_NO: Final = ("true", "false")


async def follow_events(parts: AdminParts, asked: Asked) -> Stream:
    """Tell events as they are kept, from a place on or from now on."""
    status, delivery = asked.get("status"), asked.get("delivery")
    last_id = asked.get(_LAST) or asked.get("after")
    query = EventQuery(
        endpoint=asked.get("endpoint"),
        event_type=asked.get("event_type"),
        status=None if status is None else EventStatus(status),
        destination=asked.get("destination"),
        delivery_status=None if delivery is None else DeliveryStatus(delivery),
        since_ms=None if last_id is not None else asked.get("since"),
        search=asked.get("search"),
    )
    wanted = Wanted(
        query, attempts=asked.get("attempts") == "true", whole=asked.get("whole") == "true"
    )
    return Stream(parts.feed, wanted, await _place(parts, last_id, query.since_ms), parts.log)


async def _place(parts: AdminParts, last_id: str | None, since_ms: int | None) -> Place:
    if last_id is not None:
        return await parts.reads.place_of(last_id)
    if since_ms is not None:
        return await parts.reads.place_since(since_ms)
    return await parts.reads.newest_place()


OPERATIONS: Final = (
    Operation(
        "GET",
        "/stream",
        follow_events,
        "Follow events as they are kept, and attempts as they end: server-sent events.",
        Stream,
        in_query=(
            text("endpoint", "Only those of this endpoint."),
            text("event_type", "Only those of exactly this event type."),
            choice("status", "Only events that became this.", [s.value for s in EventStatus]),
            text("destination", "Only events owed to it, and attempts at it."),
            choice(
                "delivery",
                "Only events with such a delivery, and attempts that made it so.",
                [s.value for s in DeliveryStatus],
            ),
            text("search", "Only events whose type or body holds this text; no attempts."),
            event_id("after", "Begin behind this event."),
            moment("since", "Begin with those received since:"),
            choice("attempts", "Tell of attempts too.", _YES_NO),
            choice("whole", "Events with headers, and bodies up to 256 KiB.", _YES_NO),
        ),
        in_header=(event_id(_LAST, "The same as `after`, and before it: what a browser sends."),),
    ),
)
