"""One event: what came, why it goes where it goes, and each delivery as its attempts went."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import web

from dispatchd.admin.api import events as api
from dispatchd.admin.api.jobs import create_job, get_job
from dispatchd.admin.api.operation import EVENT, Asked
from dispatchd.admin.dashboard.curl import curl
from dispatchd.admin.dashboard.desk import Desk
from dispatchd.admin.dashboard.filters import at_ms
from dispatchd.admin.dashboard.folding import TEXT_MAX_CHARS, folded, folded_value
from dispatchd.admin.dashboard.health import DELIVERY_TONES, DELIVERY_WORDS, words
from dispatchd.admin.dashboard.hooks import hook_url, socket_of
from dispatchd.admin.dashboard.pages import is_live
from dispatchd.admin.problems import Problem, not_found
from dispatchd.alert_kinds import ALERTS
from dispatchd.shapes.event import AttemptFields, DeliveryFields, story_fields
from dispatchd.shapes.explained import facts_said, link_said
from dispatchd.shapes.explanation import ExplanationFields
from dispatchd.spelling import span
from dispatchd.store.base import EventStory

JUDGED_MAX_S: Final = 0.025  # that a page waits; what takes longer is asked for once more
ATTEMPTS_MAX: Final = 20  # shown of a delivery
DELIVERIES_MAX: Final = 30
ANSWERS_MAX_CHARS: Final = 12_000  # of all answers on a page
SENT_MAX_CHARS: Final = 2_000  # of what would be sent
FORM: Final = "application/x-www-form-urlencoded"


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
        told = story_fields(story)
        room = [ANSWERS_MAX_CHARS]
        return await desk.pages.page(
            request,
            "event",
            {
                "section": "events",
                "title": f"Event {told['event_type'] or told['event_id']}",
                "event": told,
                "deliveries": [
                    delivery_told(delivery, told["received"], room)
                    for delivery in told["deliveries"][:DELIVERIES_MAX]
                ],
                "more": max(0, len(told["deliveries"]) - DELIVERIES_MAX),
                "judgement": None if is_live(request) else await self._judged(request, asked),
                "waits": "judgement" not in request.query,
                "body": body_told(story),
                "curl": self._curl(request, story),
                "job": await self._job(request, asked.now_ms),
                "canonical": request.path,
            },
        )

    async def replay(self, request: web.Request) -> web.StreamResponse:
        """Start its deliveries afresh, or that to one destination; then show the event."""
        asked = self._asked(request)
        destination = (await request.post()).get("destination")
        body: dict[str, Any] = {"event_ids": [asked.given["event_id"]]}
        if isinstance(destination, str) and destination:
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

    async def _judged(self, request: web.Request, asked: Asked) -> dict[str, Any] | None:
        """Return the judgement in words; None while it is still being worked out."""
        judging = asyncio.create_task(api.explain_event(self._desk.parts, asked))
        self._judging.add(judging)  # the loop itself holds on to no task
        judging.add_done_callback(self._judging.discard)
        most_s = None if "judgement" in request.query else JUDGED_MAX_S
        done, _ = await asyncio.wait({judging}, timeout=most_s)
        if not done:
            judging.add_done_callback(lambda task: task.cancelled() or task.exception())
            return None
        return judgement_told(judging.result())

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


def delivery_told(delivery: DeliveryFields, received: str, room: list[int]) -> dict[str, Any]:
    """Return a delivery with its attempts as a page tells them; answers as far as `room` goes."""
    attempts = delivery["attempts"]
    shown = attempts[-ATTEMPTS_MAX:]
    before_ms = [at_ms(received), *map(_ended, attempts)][-len(shown) - 1 :]
    longest_ms = max((attempt["latency_ms"] for attempt in shown), default=0)
    told = [
        attempt_told(attempt, since_ms, longest_ms)
        for attempt, since_ms in zip(shown, before_ms, strict=False)
    ]
    for attempt in reversed(told):  # the last answers are worth most
        room[0] -= len(attempt["answer"] or "")
        if room[0] < 0:
            attempt["answer"] = None
            attempt["left_out"] = True
    return {
        **delivery,
        "tone": DELIVERY_TONES[delivery["status"]],
        "word": DELIVERY_WORDS[delivery["status"]],
        "tries": told,
        "earlier": len(attempts) - len(shown),
    }


def _ended(attempt: AttemptFields) -> int:
    return at_ms(attempt["started"]) + round(attempt["latency_ms"])


def attempt_told(attempt: AttemptFields, since_ms: int, longest_ms: float) -> dict[str, Any]:
    """Return an attempt as a page tells it; it was waited for since `since_ms`."""
    waited_ms = max(0, at_ms(attempt["started"]) - since_ms)
    answer = attempt.get("response")
    if answer is None and "response_base64" in attempt:
        answer = f"(not text; base64) {attempt['response_base64']}"
    return {
        **attempt,
        "good": attempt["error"] is None,
        "word": "delivered" if attempt["error"] is None else words(attempt["error"]),
        "waited": span(waited_ms) if waited_ms >= 1000 else f"{waited_ms} ms",  # noqa: PLR2004 - 1 s
        "bar": max(1, round(100 * attempt["latency_ms"] / longest_ms)) if longest_ms else 1,
        "answer": answer or None,
        "left_out": False,
    }


def judgement_told(told: ExplanationFields) -> dict[str, Any]:
    """Return an explanation as a page tells it."""
    links = []
    for link in told.get("links", []):
        would: dict[str, Any] = {"folded": None, "text": None}
        body = link.get("body")
        if link["said"] is not None:
            would = {"folded": folded_value(link["said"]["tree"]), "text": None}
        elif "message" in link:
            would = {"folded": folded_value(dict(link["message"])), "text": None}
        elif body is not None:
            would["text"] = _cut(body, SENT_MAX_CHARS)
        links.append({**link, "steps": list(link_said(link)), "would": would})
    return {"facts": list(facts_said(told))[1:], "links": links, "event_id": told.get("event_id")}


def body_told(story: EventStory) -> dict[str, Any]:
    """Return a body as far as a page shows it: folded JSON, a form's fields, or text."""
    body, kind = story.event.body, story.event.content_type
    told: dict[str, Any] = {"folded": folded(body), "form": None, "text": None, "cut": False}
    if told["folded"] is not None:
        return told
    if kind.partition(";")[0].strip().lower() == FORM and len(body) <= TEXT_MAX_CHARS:
        with suppress(ValueError):
            told["form"] = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=200)
            return told
    text = body[: TEXT_MAX_CHARS * 4].decode("utf-8", "backslashreplace")
    told["text"], told["cut"] = text[:TEXT_MAX_CHARS], len(text) > TEXT_MAX_CHARS
    return told


def _cut(text: str, most_chars: int) -> str:
    return text if len(text) <= most_chars else f"{text[:most_chars]}… ({len(text):,} characters)"
