"""A stored event's story: found for whoever tells of it."""

from typing import TYPE_CHECKING

from dispatchd.cli.ids import find_event_id
from dispatchd.cli.storage import opened
from dispatchd.errors import DispatchdError

if TYPE_CHECKING:
    from dispatchd.config import Config, Outline
    from dispatchd.store.base import EventStory


async def get_story(config: "Config | Outline", given: str) -> "EventStory":
    """Return what there is of the event whose id is, or begins with, `given`."""
    async with opened(config) as store:
        event_id = await find_event_id(store, given)
        story = await store.get_event(event_id)
    if story is None:
        raise DispatchdError(f"there is no event {event_id}; `dispatchd events` lists them")
    return story
