"""The overview: what comes and goes, how fast, what waits, and how each destination is."""

from typing import Any, Final

from aiohttp import web

from dispatchd.admin.api.events import event_page
from dispatchd.admin.dashboard.desk import Desk
from dispatchd.admin.dashboard.drawing import (
    came_drawn,
    came_spark,
    times_drawn,
    went_drawn,
    went_spark,
)
from dispatchd.admin.dashboard.events import LOOK_MS, event_rows
from dispatchd.admin.dashboard.health import health, worst_first
from dispatchd.admin.dashboard.hooks import hook_url
from dispatchd.admin.dashboard.past import SPANS, Line, Past, Span
from dispatchd.admin.dashboard.pulse import DELIVERED, FAILED, RECEIVED
from dispatchd.shapes.lane import LaneFields
from dispatchd.store.base import EventQuery

ROWS_MAX: Final = 12  # destinations, and endpoints
LATEST: Final = 8


def span_of(request: web.Request) -> Span:
    """Return the span that a page is asked for; an hour unless told."""
    return SPANS.get(request.query.get("span", "hour"), SPANS["hour"])


class OverviewPage:
    """Shows the overview."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def show(self, request: web.Request) -> web.Response:
        """Answer with the page."""
        desk, span = self._desk, span_of(request)
        past = await desk.pasts.get(span)
        lanes = worst_first(await desk.lanes())
        latest = event_page(await desk.parts.reads.browse_events(EventQuery(limit=LATEST), LOOK_MS))
        due = [lane["oldest_due"] for lane in lanes if lane["oldest_due"] and not lane["held"]]
        whole = past.all_destinations
        slugs = list(desk.known.endpoints)
        return await desk.pages.page(
            request,
            "overview",
            {
                "section": "overview",
                "title": "Overview",
                "spans": SPANS.values(),
                "span": span,
                "rates": {kind: desk.pulse.per_s(kind) for kind in (RECEIVED, DELIVERED, FAILED)},
                "came": past.all_endpoints,
                "went": whole,
                "failed": whole.results.get("failed", 0),
                "p50_ms": whole.quantile_ms(0.5),
                "p99_ms": whole.quantile_ms(0.99),
                "backlog": sum(lane["backlog"] for lane in lanes),
                "held": sum(lane["backlog"] for lane in lanes if lane["held"]),
                "oldest_due": min(due, default=None),
                "charts": [
                    came_drawn(past, past.all_endpoints),
                    went_drawn(past, whole),
                    times_drawn(past),
                ],
                "lanes": [lane_row(desk, past, lane) for lane in lanes[:ROWS_MAX]],
                "more_lanes": max(0, len(lanes) - ROWS_MAX),
                "endpoints": [
                    endpoint_row(past, slug, past.of_endpoint(slug)) for slug in slugs[:ROWS_MAX]
                ],
                "more_endpoints": max(0, len(slugs) - ROWS_MAX),
                "nobody": sum(past.of_endpoint(None).bad),
                "events": event_rows(latest["items"]),
                "first": slugs[0] if slugs else None,
                "hook": hook_url(desk.known.endpoints[slugs[0]], request) if slugs else None,
            },
        )


def lane_row(desk: Desk, past: Past, lane: LaneFields) -> dict[str, Any]:
    """Return what a row says of a destination."""
    name = lane["destination"]
    line, config = past.of_destination(name), desk.known.destination(name)
    return {
        "name": name,
        "type": config.get("type", ""),
        "health": health(lane),
        "lane": lane,
        "spark": went_spark(past, line),
        "delivered": sum(line.good),
        "failed_tries": sum(line.bad),
        "p50_ms": line.quantile_ms(0.5),
        "p99_ms": line.quantile_ms(0.99),
    }


def endpoint_row(past: Past, slug: str, line: Line) -> dict[str, Any]:
    """Return what a row says of an endpoint."""
    return {
        "name": slug,
        "spark": came_spark(past, line),
        "received": sum(line.good),
        "refused": sum(line.bad),
    }
