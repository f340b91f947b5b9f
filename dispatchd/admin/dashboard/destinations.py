"""Destinations: how they are and why, and what a person may do about it."""

from typing import Any, Final

from aiohttp import web

from dispatchd.admin.api import destinations as api
from dispatchd.admin.api.events import event_page
from dispatchd.admin.api.operation import Asked
from dispatchd.admin.body import read_form
from dispatchd.admin.dashboard.allowance import Allowance
from dispatchd.admin.dashboard.consumers import claim_url
from dispatchd.admin.dashboard.desk import Desk
from dispatchd.admin.dashboard.drawing import went_drawn
from dispatchd.admin.dashboard.events import LOOK_MS, event_rows
from dispatchd.admin.dashboard.filters import at_ms
from dispatchd.admin.dashboard.folding import folded_value
from dispatchd.admin.dashboard.health import draining, may_resume, worst_first
from dispatchd.admin.dashboard.overview import lane_row, span_of
from dispatchd.admin.dashboard.past import SPANS, Past
from dispatchd.admin.dashboard.telling import attempt_told
from dispatchd.admin.problems import not_found
from dispatchd.shapes.lane import LaneFields
from dispatchd.store.base import EventQuery

ROWS_MAX: Final = 16
LATEST: Final = 8
ANSWER_MAX_CHARS: Final = 12_000


class DestinationPages:
    """Shows destinations, pauses and resumes them, sends tests."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def show_all(self, request: web.Request) -> web.Response:
        """Answer with all of them."""
        desk = self._desk
        lanes = worst_first(await desk.lanes())
        past = await desk.pasts.get(SPANS["hour"])
        pages = max(1, -(-len(lanes) // ROWS_MAX))
        text = request.query.get("page", "1")
        page = min(pages, max(1, int(text))) if text.isdecimal() and len(text) < 6 else 1  # noqa: PLR2004
        shown = lanes[(page - 1) * ROWS_MAX : page * ROWS_MAX]
        return await desk.pages.page(
            request,
            "destinations",
            {
                "section": "destinations",
                "title": "Destinations",
                "lanes": [self._row(request, past, lane) for lane in shown],
                "count": len(lanes),
                "page": page,
                "pages": pages,
            },
        )

    async def show(self, request: web.Request) -> web.Response:
        """Answer with one of them."""
        return await self._shown(request)

    async def pause(self, request: web.Request) -> web.StreamResponse:
        """Pause it, for the reason that was given."""
        body = {"reason": (await read_form(request)).get("reason", "").strip()}
        await api.pause_destination(self._desk.parts, self._asked(request, body))
        raise _back(request)

    async def resume(self, request: web.Request) -> web.StreamResponse:
        """End what holds it."""
        await api.resume_destination(self._desk.parts, self._asked(request))
        raise _back(request)

    async def test(self, request: web.Request) -> web.Response:
        """Send a test and show what came of it."""
        told = await api.test_destination(self._desk.parts, self._asked(request))
        attempt = told["attempt"]
        tried = attempt_told(attempt, at_ms(attempt["started"]), Allowance(ANSWER_MAX_CHARS))
        return await self._shown(request, tried)

    async def _shown(
        self, request: web.Request, tried: dict[str, Any] | None = None
    ) -> web.Response:
        desk, name = self._desk, request.match_info["destination"]
        lane = next((one for one in await desk.lanes() if one["destination"] == name), None)
        if lane is None:
            raise not_found(f"destination {name[:128]!r}")
        past = await desk.pasts.get(span := span_of(request))
        query = EventQuery(destination=name, limit=LATEST)
        latest = event_page(await desk.parts.reads.browse_events(query, LOOK_MS))
        config = desk.known.destination(name)
        return await desk.pages.page(
            request,
            "destination",
            {
                "section": "destinations",
                "title": name,
                "row": self._row(request, past, lane),
                "chart": went_drawn(
                    past, past.of_destination(name), queue=desk.known.is_queue(name)
                ),
                "spans": SPANS.values(),
                "span": span,
                "failed": past.of_destination(name).results.get("failed", 0),
                "tried": tried,
                "events": event_rows(latest["items"]),
                "links": self._links(name),
                "config": folded_value(config) if config else None,
                "canonical": f"/destinations/{name}",
            },
        )

    def _row(self, request: web.Request, past: Past, lane: LaneFields) -> dict[str, Any]:
        name = lane["destination"]
        config, is_queue = self._desk.known.destination(name), self._desk.known.is_queue(name)
        return {
            **lane_row(self._desk, past, lane),
            "queue": self._desk.consumers.of(name).told(self._now_ms()) if is_queue else None,
            "waiting": max(lane["backlog"] - lane["leased"], 0),
            "draining": draining(lane, self._desk.standing.drain_per_s(name)),
            "may_resume": may_resume(lane),
            "in_config": name in self._desk.parts.running.destinations,
            "paused": any(hold["kind"] == "paused" for hold in lane["held"]),
            "url": claim_url(request, name) if is_queue else config.get("url") or "",
        }

    def _links(self, name: str) -> list[dict[str, Any]]:
        return [
            {"endpoint": slug, **link}
            for slug, endpoint in self._desk.known.endpoints.items()
            for link in endpoint["links"]
            if link["destination"] == name
        ]

    def _asked(self, request: web.Request, body: Any = None) -> Asked:
        return Asked({"destination": request.match_info["destination"]}, body, self._now_ms())

    def _now_ms(self) -> int:
        return self._desk.parts.clock.now_ms()


def _back(request: web.Request) -> web.HTTPSeeOther:
    return web.HTTPSeeOther(f"/destinations/{request.match_info['destination']}")
