"""One event: what came, why it goes where it goes, and each delivery as its attempts went."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from dispatchd.admin.api import events as api
from dispatchd.admin.api.jobs import create_job, get_job
from dispatchd.admin.api.operation import EVENT, Asked
from dispatchd.admin.body import read_form
from dispatchd.admin.dashboard.allowance import Allowance
from dispatchd.admin.dashboard.curl import curl
from dispatchd.admin.dashboard.desk import Desk
from dispatchd.admin.dashboard.events import trouble
from dispatchd.admin.dashboard.hooks import hook_url, socket_of
from dispatchd.admin.dashboard.pages import is_live
from dispatchd.admin.dashboard.telling import (
    ATTEMPTS_MAX,
    body_told,
    delivery_told,
    judgement_told,
)
from dispatchd.admin.problems import Problem, not_found
from dispatchd.alert_kinds import ALERTS
from dispatchd.shapes.event import DeliveryFields, StoryFields, story_fields
from dispatchd.store.base import EventStory

if TYPE_CHECKING:
    from dispatchd.shapes.explanation import ExplanationFields

JUDGED_MAX_S: Final = 0.025  # that a page waits; what takes longer is asked for once more
DELIVERIES_MAX: Final = 12  # shown,
TRIES_MAX: Final = 30  # with so many attempts in all
HEADERS_MAX: Final = 40
VALUE_MAX_CHARS: Final = 300
# Of what strangers wrote, as it is put out. The body has what the rest leaves.
HEADERS_MAX_CHARS: Final = 8_000
ANSWERS_MAX_CHARS: Final = 9_000
WOULD_MAX_CHARS: Final = 7_000
STRANGERS_MAX_CHARS: Final = 46_000


class EventPage:
    """Shows an event, and replays it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._judging: set[asyncio.Task[ExplanationFields]] = set()

    async def show(self, request: web.Request) -> web.Response:
        """Answer with the page."""
        desk = self._desk
        asked = self._asked(request)
        story = await desk.parts.reads.get_event(asked.given["event_id"])
        if story is None:
            raise not_found(f"event {asked.given['event_id']}")
        body = story.event.body  # told as far as it is shown, not whole
        told = story_fields(replace(story, event=replace(story.event, body=b"")))
        headers, answers = Allowance(HEADERS_MAX_CHARS), Allowance(ANSWERS_MAX_CHARS)
        would = Allowance(WOULD_MAX_CHARS)
        deliveries = self._shown(told, answers)
        headers_shown = headers.pairs(told["headers"], HEADERS_MAX, VALUE_MAX_CHARS)
        judgement = None if is_live(request) else await self._judged(request, asked, would)
        command = self._curl(request, story)
        job = await self._job(request, asked.now_ms)
        used = headers.used + answers.used + would.used + len(command or "")
        return await desk.pages.page(
            request,
            "event",
            {
                "section": "events",
                "title": f"Event {told['event_type'] or told['event_id']}",
                "event": {**told, "body_bytes": len(body)},
                "headers": headers_shown,
                "headers_cut": headers.met,
                "deliveries": deliveries,
                "more": len(told["deliveries"]) - len(deliveries),
                "longest_ms": _longest_ms(deliveries),
                "judgement": judgement,
                "waits": "judgement" not in request.query,
                "body": body_told(body, told["content_type"], STRANGERS_MAX_CHARS - used),
                "curl": command,
                "known_endpoint": told["endpoint"] in desk.known.endpoints,
                "job": job,
                "canonical": request.path if job is None else f"{request.path}?replay={job['job']}",
            },
        )

    async def replay(self, request: web.Request) -> web.StreamResponse:
        """Start its deliveries afresh, or that to one destination; then show the event."""
        asked = self._asked(request)
        destination = (await read_form(request)).get("destination")
        body: dict[str, Any] = {"event_ids": [asked.given["event_id"]]}
        if destination:
            body["destination"] = destination
        job = await create_job(self._desk.parts, Asked({}, body, asked.now_ms))
        raise web.HTTPSeeOther(f"/events/{asked.given['event_id']}?replay={job['job']}")

    def _asked(self, request: web.Request) -> Asked:
        now_ms = self._desk.parts.clock.now_ms()
        try:
            event_id = EVENT.read(request.match_info["event_id"], now_ms)
        except ValueError:
            raise not_found(f"event {request.match_info['event_id'][:64]}") from None
        return Asked({"event_id": event_id}, None, now_ms)

    async def _job(self, request: web.Request, now_ms: int) -> Mapping[str, Any] | None:
        number = request.query.get("replay", "")
        if not number.isdecimal() or len(number) > 15:  # noqa: PLR2004 - no job has so long a number
            return None
        with suppress(Problem):
            return await get_job(self._desk.parts, Asked({"job": int(number)}, None, now_ms))
        return None

    async def _judged(
        self, request: web.Request, asked: Asked, room: Allowance
    ) -> dict[str, Any] | None:
        """Return the judgement in words; None while it is still being worked out."""
        judging = asyncio.create_task(api.explain_event(self._desk.parts, asked))
        self._judging.add(judging)  # the loop itself holds on to no task
        judging.add_done_callback(self._judging.discard)
        most_s = None if "judgement" in request.query else JUDGED_MAX_S
        done, _ = await asyncio.wait({judging}, timeout=most_s)
        if not done:
            judging.add_done_callback(lambda task: task.cancelled() or task.exception())
            return None
        return judgement_told(judging.result(), room)

    def _shown(self, told: StoryFields, answers: Allowance) -> list[dict[str, Any]]:
        """Return the deliveries that are shown, as far as their attempts leave room."""
        shown: list[dict[str, Any]] = []
        tries = 0
        for delivery in sorted(told["deliveries"], key=_trouble)[:DELIVERIES_MAX]:
            tries += min(len(delivery["attempts"]), ATTEMPTS_MAX)
            if shown and tries > TRIES_MAX:
                break
            queue = self._desk.known.is_queue(delivery["destination"])
            shown.append({**delivery_told(delivery, told["received"], answers), "queue": queue})
        return shown

    def _curl(self, request: web.Request, story: EventStory) -> str | None:
        event = story.event
        endpoint = self._desk.known.endpoints.get(event.endpoint)
        if endpoint is None or event.endpoint == ALERTS:
            return None
        return curl(
            hook_url(endpoint, request),
            event.headers,
            event.content_type,
            event.body,
            socket=socket_of(endpoint),
        )


def _trouble(delivery: DeliveryFields) -> tuple[int, str]:
    return trouble((delivery["destination"], delivery["status"]))


def _longest_ms(deliveries: Sequence[Mapping[str, Any]]) -> float:
    """Return how long the longest attempt took: what the others are drawn beside."""
    return max((one["latency_ms"] for each in deliveries for one in each["tries"]), default=0) or 1
