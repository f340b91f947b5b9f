"""Events, their deliveries and attempts."""

from collections.abc import Sequence
from typing import Any, Final, TypedDict

from dispatchd.admin.api.operation import (
    DESTINATION,
    EVENT,
    LIMIT,
    LOOK_MS,
    Asked,
    Operation,
    Raw,
    choice,
    event_id,
    moment,
    text,
)
from dispatchd.admin.parts import AdminParts
from dispatchd.admin.problems import not_found
from dispatchd.alert_kinds import ALERTS
from dispatchd.model import DeliveryStatus, EventStatus
from dispatchd.receive.explain import Inquiry
from dispatchd.shapes.event import (
    ENDED,
    DeliveryFields,
    EventSummaryFields,
    StoryFields,
    deliveries_fields,
    story_fields,
    summary_fields,
)
from dispatchd.shapes.explanation import ExplanationFields, explanation_fields
from dispatchd.shapes.spelling import iso
from dispatchd.store.base import DeliveryQuery, EventPage, EventQuery, EventStory

_BEFORE: Final = event_id("before", "Only events older than this one: the `next` of a page.")


class EventPageFields(TypedDict):
    """A page of events, newest first; `next` is the `before` of the next, null at the end.

    A page may be short, or empty, and have a next one: a look has its time.
    """

    items: list[EventSummaryFields]
    next: str | None


class OwedFields(TypedDict):
    """One event owed to one destination. `due` is null for what has ended."""

    event_id: str
    destination: str
    status: str
    attempts: int
    replays: int
    due: str | None


class DeliveryPageFields(TypedDict):
    """A page of deliveries, those of the newest events first; those of an event stand together."""

    items: list[OwedFields]
    next: str | None


class DeliveriesFields(TypedDict):
    """The deliveries of one event, with their attempts."""

    items: list[DeliveryFields]


async def list_events(parts: AdminParts, asked: Asked) -> EventPageFields:
    """List events."""
    page = await parts.reads.browse_events(event_query(asked), LOOK_MS)
    return event_page(page)


def event_page(page: EventPage) -> EventPageFields:
    """Return a page of events."""
    return {"items": [summary_fields(event) for event in page.events], "next": page.next_id}


def event_query(asked: Asked) -> EventQuery:
    """Return which events are asked for."""
    status, delivery = asked.get("status"), asked.get("delivery")
    return EventQuery(
        endpoint=asked.get("endpoint"),
        event_type=asked.get("event_type"),
        status=None if status is None else EventStatus(status),
        destination=asked.get("destination"),
        delivery_status=None if delivery is None else DeliveryStatus(delivery),
        since_ms=asked.get("since"),
        until_ms=asked.get("until"),
        before_id=asked.get("before"),
        limit=asked.get("limit") or 50,
        search=asked.get("search"),
    )


async def get_event(parts: AdminParts, asked: Asked) -> StoryFields:
    """Tell one event's whole story."""
    return story_fields(await _story(parts, asked))


async def get_event_body(parts: AdminParts, asked: Asked) -> Raw:
    """Return a body byte for byte."""
    event = (await _story(parts, asked)).event
    return Raw(event.body, f"{event.id}.body")


async def list_event_deliveries(parts: AdminParts, asked: Asked) -> DeliveriesFields:
    """List the deliveries of one event."""
    return {"items": deliveries_fields(await _story(parts, asked))}


async def get_delivery(parts: AdminParts, asked: Asked) -> DeliveryFields:
    """Return one delivery with its attempts."""
    name = asked.given["destination"]
    for delivery in deliveries_fields(await _story(parts, asked)):
        if delivery["destination"] == name:
            return delivery
    raise not_found("such delivery")


async def explain_event(parts: AdminParts, asked: Asked) -> ExplanationFields:
    """Judge a stored event by the config that runs, and say how its deliveries stand."""
    story = await _story(parts, asked)
    event = story.event
    told: dict[str, Any] = {"event_id": event.id}
    if event.endpoint in parts.running.slugs:
        told |= await parts.explain(event.endpoint, Inquiry.about(event))
    elif event.endpoint == ALERTS:
        told |= {"endpoint": event.endpoint, "notes": ["an alert of dispatchd's own"]}
    else:
        told |= {
            "endpoint": event.endpoint,
            "problem": "no active endpoint of the config has this name",
        }
    return explanation_fields({**told, "deliveries": deliveries_fields(story)})


async def list_deliveries(parts: AdminParts, asked: Asked) -> DeliveryPageFields:
    """List deliveries."""
    status = asked.get("status")
    query = DeliveryQuery(
        destination=asked.get("destination"),
        status=None if status is None else DeliveryStatus(status),
        before_id=asked.get("before"),
        limit=asked.get("limit") or 50,
    )
    page = await parts.reads.browse_deliveries(query, LOOK_MS)
    return {
        "items": [
            {
                "event_id": delivery.event_id,
                "destination": delivery.destination,
                "status": delivery.status.value,
                "attempts": delivery.attempts,
                "replays": delivery.replays,
                "due": None if delivery.status in ENDED else iso(delivery.due_ms),
            }
            for delivery in page.deliveries
        ],
        "next": page.next_id,
    }


async def _story(parts: AdminParts, asked: Asked) -> EventStory:
    story = await parts.reads.get_event(asked.given["event_id"])
    if story is None:
        raise not_found(f"event {asked.given['event_id']}")
    return story


_STATUSES: Final[Sequence[str]] = [status.value for status in DeliveryStatus]
LIST: Final = Operation(
    "GET",
    "/events",
    list_events,
    "List events, newest first.",
    EventPageFields,
    in_query=(
        text("endpoint", "Only those of this endpoint."),
        text("event_type", "Only those of exactly this event type."),
        choice("status", "What they became on arrival.", [s.value for s in EventStatus]),
        text("destination", "Only those owed to this destination."),
        choice("delivery", "Only those with such a delivery.", _STATUSES),
        moment("since", "Only those received since:"),
        moment("until", "Only those received before:"),
        text("search", "Only those whose event type or body holds this text."),
        _BEFORE,
        LIMIT,
    ),
)
OPERATIONS: Final = (
    LIST,
    Operation(
        "GET",
        "/events/{event_id}",
        get_event,
        "Tell one event's whole story: what came, where it goes, every attempt.",
        StoryFields,
        in_path=(EVENT,),
    ),
    Operation(
        "GET",
        "/events/{event_id}/body",
        get_event_body,
        "Return the body byte for byte as it came.",
        Raw,
        in_path=(EVENT,),
    ),
    Operation(
        "GET",
        "/events/{event_id}/explain",
        explain_event,
        "Say why it did, or did not, arrive: judged by the config that runs.",
        ExplanationFields,
        in_path=(EVENT,),
    ),
    Operation(
        "GET",
        "/events/{event_id}/deliveries",
        list_event_deliveries,
        "List the deliveries of one event with their attempts.",
        DeliveriesFields,
        in_path=(EVENT,),
    ),
    Operation(
        "GET",
        "/events/{event_id}/deliveries/{destination}",
        get_delivery,
        "Return one delivery with its attempts.",
        DeliveryFields,
        in_path=(EVENT, DESTINATION),
    ),
    Operation(
        "GET",
        "/deliveries",
        list_deliveries,
        "List deliveries, those of the newest events first.",
        DeliveryPageFields,
        in_query=(
            text("destination", "Only those to this destination."),
            choice("status", "Only those that stand so.", _STATUSES),
            _BEFORE,
            LIMIT,
        ),
    ),
)
