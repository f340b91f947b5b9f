"""The list of events: search and filters stand in the URL, and the first page keeps up to date."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from aiohttp import web

from dispatchd.admin.api.events import LIST, event_page, event_query
from dispatchd.admin.api.operation import Asked, query_values
from dispatchd.admin.dashboard.asking import can_be_asked, new_url
from dispatchd.admin.dashboard.desk import Desk
from dispatchd.admin.dashboard.health import DELIVERY_TONES, DELIVERY_WORDS, WORST_FIRST
from dispatchd.admin.parts import AdminParts
from dispatchd.alert_kinds import ALERTS
from dispatchd.model import DeliveryStatus, EventStatus
from dispatchd.shapes.event import EventSummaryFields
from dispatchd.store.base import EventQuery

if TYPE_CHECKING:
    from dispatchd.admin.problems import FlawFields

LOOK_MS: Final = 20  # a look's time; a page is on its way well within 50
LIMIT: Final = 40
SEARCH_LOOK_MS: Final = 200  # of those that go on until enough was found
TYPE_MAX_CHARS: Final = 80
CHIPS_MAX: Final = 4  # destinations named in one row
SINCE: Final = (
    ("", "any time"),
    ("1h", "the last hour"),
    ("24h", "the last day"),
    ("7d", "the last week"),
)


class EventsPage:
    """Shows the list."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def show(self, request: web.Request) -> web.Response:
        """Answer with a page of the list."""
        desk, now_ms = self._desk, self._desk.parts.clock.now_ms()
        asked = {name: text for name, text in request.query.items() if text}
        errors: list[FlawFields] = []
        given = query_values(LIST.in_query, asked.items(), now_ms, errors)
        page = None
        if not errors:
            query = event_query(
                Asked({**given, "limit": given.get("limit") or LIMIT}, None, now_ms)
            )
            page = event_page(await desk.parts.reads.browse_events(query, LOOK_MS))
        filters = {name: text for name, text in asked.items() if name != "before"}
        return await desk.pages.page(
            request,
            "events",
            {
                "section": "events",
                "title": "Events",
                "asked": asked,
                "filtered": bool(filters),
                "errors": errors,
                "events": event_rows(page["items"]) if page else [],
                "newest": "/events" + _query(filters) if "before" in asked else None,
                "older": None
                if page is None or page["next"] is None
                else "/events" + _query({**filters, "before": page["next"]}),
                "replay": new_url(filters) if can_be_asked(filters) else None,
                "short": page is not None and len(page["items"]) < LIMIT,
                "slugs": [*desk.known.endpoints, ALERTS],
                "destinations": sorted(desk.parts.running.destinations),
                "statuses": [status.value for status in EventStatus],
                "delivery_statuses": [(s.value, DELIVERY_WORDS[s.value]) for s in DeliveryStatus],
                "sinces": SINCE,
                "first": next(iter(desk.known.endpoints), None),
            },
            status=400 if errors else 200,
        )


def event_rows(items: Sequence[EventSummaryFields]) -> list[dict[str, Any]]:
    """Return what rows say of events."""
    return [
        {
            **item,
            "event_type": _cut(item["event_type"]),
            "chips": [
                {
                    "name": name,
                    "tone": DELIVERY_TONES[status],
                    "word": DELIVERY_WORDS[status],
                }
                for name, status in sorted(item["destinations"].items(), key=trouble)[:CHIPS_MAX]
            ],
            "more": max(0, len(item["destinations"]) - CHIPS_MAX),
        }
        for item in items
    ]


async def event_ids_of(
    parts: AdminParts, query: EventQuery, most: int, goes_on: Callable[[], bool]
) -> tuple[list[str], bool]:
    """Return the ids of the newest events of a query, and whether these are all of them.

    It looks further and further back for as long as it `goes_on`.
    """
    ids: list[str] = []
    while True:
        page = await parts.reads.browse_events(
            replace(query, limit=most + 1 - len(ids)), SEARCH_LOOK_MS
        )
        ids += [event.id for event in page.events]
        if len(ids) > most:
            return ids[:most], False
        if page.next_id is None or not goes_on():
            return ids, page.next_id is None
        query = replace(query, before_id=page.next_id)


def trouble(one: tuple[str, str]) -> tuple[int, str]:
    """Sort destinations with statuses: what wants to be looked at first, then by name."""
    name, status = one
    return WORST_FIRST.index(DELIVERY_TONES[status]), name


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= TYPE_MAX_CHARS else f"{text[:TYPE_MAX_CHARS]}…"


def _query(given: dict[str, str]) -> str:
    return f"?{urlencode(given)}" if given else ""
