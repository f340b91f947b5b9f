"""A stored event's story: found for whoever tells of it, and spelled for scripts in one shape."""

from typing import TYPE_CHECKING, Any, Final

from dispatchd.cli.ids import find_event_id
from dispatchd.cli.storage import opened
from dispatchd.cli.text import bytes_field, iso
from dispatchd.errors import DispatchdError
from dispatchd.model import DeliveryStatus

if TYPE_CHECKING:
    from dispatchd.config import Config, Outline
    from dispatchd.model import Attempt, Delivery
    from dispatchd.store.base import EventStory

ENDED: Final = (DeliveryStatus.SUCCESS, DeliveryStatus.FAILED)


async def get_story(config: "Config | Outline", given: str) -> "EventStory":
    """Return what there is of the event whose id is, or begins with, `given`."""
    async with opened(config) as store:
        event_id = await find_event_id(store, given)
        story = await store.get_event(event_id)
    if story is None:
        raise DispatchdError(f"there is no event {event_id}; `dispatchd events` lists them")
    return story


def deliveries_fields(story: "EventStory") -> list[dict[str, Any]]:
    """Return each delivery with its attempts, ready for JSON."""
    return [_delivery_fields(story, delivery) for delivery in story.deliveries]


def _delivery_fields(story: "EventStory", delivery: "Delivery") -> dict[str, Any]:
    return {
        "destination": delivery.destination,
        "status": delivery.status.value,
        "held_because": story.held.get(delivery.destination)
        if delivery.status is DeliveryStatus.HELD
        else None,
        "due": None if delivery.status in ENDED else iso(delivery.due_ms),
        "replays": delivery.replays,
        "rule": delivery.rule,
        "attempts": [
            _attempt_fields(a) for a in story.attempts if a.destination == delivery.destination
        ],
    }


def _attempt_fields(attempt: "Attempt") -> dict[str, Any]:
    return {
        "number": attempt.number,
        "started": iso(attempt.started_ms),
        "latency_ms": attempt.latency_ms,
        "status_code": attempt.status_code,
        "error": None if attempt.error is None else attempt.error.value,
        "message": attempt.message,
        "transform": attempt.transform,
        "template": attempt.template,
        "response_headers": [list(pair) for pair in attempt.response_headers],
        **bytes_field("response", attempt.response_head),
    }
