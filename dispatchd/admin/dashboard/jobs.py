"""Jobs: replays, how far they are, and how another one is begun: counted first, then confirmed."""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import web

from dispatchd.admin.api import jobs as api
from dispatchd.admin.api.operation import Asked
from dispatchd.admin.body import read_form
from dispatchd.admin.dashboard.asking import FAILED, IDS_MAX, STATUSES, Choice, again, read_choice
from dispatchd.admin.dashboard.desk import Desk
from dispatchd.admin.dashboard.events import SINCE, event_ids_of
from dispatchd.admin.dashboard.health import health
from dispatchd.admin.dashboard.job_words import FILTER_MAX_CHARS, IDS_SHOWN, events_url, job_told
from dispatchd.admin.problems import Problem, not_found
from dispatchd.alert_kinds import ALERTS
from dispatchd.store.base import EventQuery

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dispatchd.admin.problems import FlawFields

ROWS_MAX: Final = 40
COUNTED_MAX_S: Final = 0.025  # that a page waits; what takes longer is asked for once more
SEARCH_MAX_S: Final = 10.0  # as long as a count takes at most
TO_MAX: Final = 12  # destinations named with their counts
CONFLICT: Final = 409


class JobPages:
    """Shows jobs, begins and cancels them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def show_all(self, request: web.Request) -> web.Response:
        """Answer with the latest of them."""
        desk, now_ms = self._desk, self._now_ms()
        told = await api.list_jobs(desk.parts, Asked({"limit": ROWS_MAX + 1}, None, now_ms))
        jobs = [job_told(job, now_ms) for job in told["items"]]
        return await desk.pages.page(
            request,
            "jobs",
            {
                "section": "jobs",
                "title": "Jobs",
                "jobs": jobs[:ROWS_MAX],
                "more": len(jobs) > ROWS_MAX,
                "going": any(job["going"] for job in jobs),
            },
        )

    async def show(self, request: web.Request) -> web.Response:
        """Answer with one of them."""
        desk = self._desk
        job = await api.get_job(desk.parts, self._asked(request))
        query = job["query"]
        return await desk.pages.page(
            request,
            "job",
            {
                "section": "jobs",
                "title": f"Replay {job['job']}",
                "job": job_told(job, self._now_ms()),
                "ids": query["event_ids"][:IDS_SHOWN],
                "more_ids": len(query["event_ids"][IDS_SHOWN:]),
                "filter": _spelled(query["filter"]),
                "events": events_url(query),
                "again": None if job["ended"] is None else again(query),
            },
        )

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        """End it; where it has ended meanwhile its page says so."""
        asked = self._asked(request)
        try:
            await api.cancel_job(self._desk.parts, asked)
        except Problem as problem:
            if problem.status != CONFLICT:
                raise
        raise web.HTTPSeeOther(f"/jobs/{asked.given['job']}")

    async def ask(self, request: web.Request) -> web.Response:
        """Count what the filters in the URL choose, and ask whether to replay it."""
        desk, now_ms = self._desk, self._now_ms()
        asked = {name: text for name, text in request.query.items() if text}
        errors: list[FlawFields] = []
        choice = read_choice(asked, now_ms, errors)
        counted: dict[str, Any] | None = None
        if choice is not None:
            try:
                counted = await self._counted(choice, wait="counted" in asked)
            except Problem as problem:
                if problem.status != 400:  # noqa: PLR2004 - names that are not there
                    raise
                errors = problem.errors
        return await desk.pages.page(
            request,
            "replay",
            {
                "section": "jobs",
                "title": "Replay",
                "live": False,  # what was counted stands: it is what will be confirmed
                "asked": {**asked, "delivery": asked.get("delivery", FAILED)},
                "errors": errors,
                "counted": counted,
                "counting": choice is not None and counted is None and not errors,
                "again": str(request.rel_url.update_query(counted="1")),
                "slugs": [*desk.known.endpoints, ALERTS],
                "destinations": sorted(desk.parts.running.destinations),
                "delivery_statuses": STATUSES.items(),
                "sinces": SINCE,
                "ids_max": IDS_MAX,
            },
            status=400 if errors else 200,
        )

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Keep the replay that was confirmed, and show it."""
        form = await read_form(request)
        body: dict[str, Any] = {
            name: text
            for name in ("endpoint", "destination", "event_type", "since", "until")
            if (text := form.get(name))
        }
        for name in ("event_ids", "statuses"):
            if form.get(name):
                body[name] = form[name].split(" ")
        if not set(body.get("statuses", ())) <= set(STATUSES):
            raise Problem(400, "invalid", "there are no such deliveries")
        if rate := form.get("rate", "").strip():
            body["rate"] = rate
        if form.get("as_sent"):
            body["as_sent"] = True
        job = await api.create_job(self._desk.parts, Asked({}, body, self._now_ms()))
        raise web.HTTPSeeOther(f"/jobs/{job['job']}")

    async def _counted(self, choice: Choice, *, wait: bool) -> dict[str, Any] | None:
        """Count; None where that takes longer than a page may, unless it is to `wait`."""
        counting = asyncio.ensure_future(self._count(choice))
        try:
            done, _ = await asyncio.wait({counting}, timeout=None if wait else COUNTED_MAX_S)
        finally:
            counting.cancel()
        return counting.result() if done else None

    async def _count(self, choice: Choice) -> dict[str, Any]:
        parts = self._desk.parts
        ids: list[str] | None = None
        all_found = True
        if choice.by_list or choice.endpoint not in (None, *parts.running.slugs):
            ids, all_found = await self._found(choice)
        body = choice.body(ids)
        told: Mapping[str, Any] = {"deliveries": 0, "destinations": {}, "complete": True}
        if ids is None or ids:
            told = await api.count_job(parts, Asked({}, body, self._now_ms()))
        lanes = {lane["destination"]: lane for lane in await self._desk.lanes()}
        to = sorted(told["destinations"].items(), key=lambda one: -one[1])
        return {
            **told,
            "fields": {
                name: value if isinstance(value, str) else " ".join(value)
                for name, value in body.items()
            },
            "to": [
                {"name": name, "count": count, "health": health(lanes[name]), "lane": lanes[name]}
                for name, count in to[:TO_MAX]
                if name in lanes
            ],
            "more_to": len(to[TO_MAX:]),
            "newest_alone": not all_found,
            "until": choice.until_ms,
        }

    async def _found(self, choice: Choice) -> tuple[list[str], bool]:
        """Return the newest events that are found, and whether these are all of them."""
        parts = self._desk.parts
        until_s = parts.clock.monotonic_s() + SEARCH_MAX_S
        query = EventQuery(
            endpoint=choice.endpoint,
            event_type=choice.event_type,
            destination=choice.destination,
            delivery_status=choice.status,
            since_ms=choice.since_ms,
            search=choice.search,
        )
        return await event_ids_of(
            parts, query, IDS_MAX, lambda: parts.clock.monotonic_s() < until_s
        )

    def _asked(self, request: web.Request) -> Asked:
        text, now_ms = request.match_info["job"], self._now_ms()
        with suppress(ValueError):
            return Asked({"job": api.JOB.read(text, now_ms)}, None, now_ms)
        raise not_found(f"job {text[:32]}")

    def _now_ms(self) -> int:
        return self._desk.parts.clock.now_ms()


def _spelled(chosen: str | dict[str, Any] | None) -> str | None:
    if chosen is None:
        return None
    text = chosen if isinstance(chosen, str) else orjson.dumps(chosen).decode()
    return text if len(text) <= FILTER_MAX_CHARS else f"{text[:FILTER_MAX_CHARS]}…"
