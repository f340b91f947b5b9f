"""Endpoints: where webhooks come in, how their senders are set up, and what was refused."""

from typing import Any, Final

from aiohttp import web

from dispatchd.admin.api.events import event_page
from dispatchd.admin.api.insight import list_refused
from dispatchd.admin.api.operation import Asked
from dispatchd.admin.dashboard.allowance import Allowance
from dispatchd.admin.dashboard.desk import Desk
from dispatchd.admin.dashboard.drawing import came_drawn
from dispatchd.admin.dashboard.events import LOOK_MS, event_rows
from dispatchd.admin.dashboard.health import words
from dispatchd.admin.dashboard.hooks import hook_url
from dispatchd.admin.dashboard.overview import endpoint_row, span_of
from dispatchd.admin.dashboard.past import SPANS, TAKEN, Line
from dispatchd.admin.problems import not_found
from dispatchd.store.base import EventQuery

ROWS_MAX: Final = 24
LATEST: Final = 8
REFUSED: Final = 15
NOBODY: Final = "-"  # the page of requests to slugs that are nobody's
HEADERS_MAX: Final = 20
VALUE_MAX_CHARS: Final = 120
BODY_MAX_CHARS: Final = 400
REFUSED_MAX_CHARS: Final = 22_000  # of their headers and bodies, as they are put out


class EndpointPages:
    """Shows endpoints."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def show_all(self, request: web.Request) -> web.Response:
        """Answer with all of them."""
        desk = self._desk
        past = await desk.pasts.get(SPANS["day"])
        endpoints = list(desk.known.endpoints.values())
        return await desk.pages.page(
            request,
            "endpoints",
            {
                "section": "endpoints",
                "title": "Endpoints",
                "endpoints": [
                    {
                        **endpoint_row(past, one["endpoint"], past.of_endpoint(one["endpoint"])),
                        "told": one,
                        "url": hook_url(one, request),
                    }
                    for one in endpoints[:ROWS_MAX]
                ],
                "more": max(0, len(endpoints) - ROWS_MAX),
                "nobody": endpoint_row(past, NOBODY, past.of_endpoint(None)),
            },
        )

    async def show(self, request: web.Request) -> web.Response:
        """Answer with one of them, or with what came to none."""
        desk, slug = self._desk, request.match_info["endpoint"]
        endpoint = desk.known.endpoints.get(slug)
        if endpoint is None and slug != NOBODY:
            raise not_found(f"endpoint {slug[:128]!r} in the config")
        past = await desk.pasts.get(span := span_of(request))
        line = past.of_endpoint(None if slug == NOBODY else slug)
        now_ms = desk.parts.clock.now_ms()
        asked = Asked({"endpoint": slug, "limit": REFUSED}, None, now_ms)
        refused = await list_refused(desk.parts, asked)
        room = Allowance(REFUSED_MAX_CHARS)
        told: dict[str, Any] = {
            "section": "endpoints",
            "title": "Requests to no endpoint" if endpoint is None else slug,
            "endpoint": endpoint,
            "chart": came_drawn(past, line),
            "spans": SPANS.values(),
            "span": span,
            "received": sum(line.good),
            "reasons": reasons(line),
            "refused": [_refused_told(dict(one), room) for one in refused["items"]],
            "hint": None,
            "url": None,
            "events": [],
        }
        if endpoint is not None:
            query = EventQuery(endpoint=slug, limit=LATEST)
            latest = event_page(await desk.parts.reads.browse_events(query, LOOK_MS))
            told |= {
                "events": event_rows(latest["items"]),
                "hint": hint(endpoint["provider"]),
                "url": hook_url(endpoint, request),
            }
        return await desk.pages.page(request, "endpoint", told)


def reasons(line: Line) -> list[tuple[str, str, int]]:
    """Return why requests were refused, in words, the most frequent first: code, words, count."""
    found = [(code, count) for code, count in line.results.items() if code not in TAKEN]
    return [(code, words(code), count) for code, count in sorted(found, key=lambda one: -one[1])]


def hint(provider: str) -> dict[str, Any] | None:
    """Return how a sender is set up; None for a scheme of one's own."""
    from dispatchd.hints import HINTS  # noqa: PLC0415 - for this page alone
    from dispatchd.hints.telling import fields  # noqa: PLC0415 - likewise

    return fields(provider) if provider in HINTS else None


def _refused_told(one: dict[str, Any], room: Allowance) -> dict[str, Any]:
    body = one.get("body", one.get("body_base64"))
    return {
        **one,
        "reason": words(one["reason"]),
        "slug": one["slug"][:VALUE_MAX_CHARS],
        "headers": room.pairs(one["headers"], HEADERS_MAX, VALUE_MAX_CHARS),
        "body": None if body is None else room.text(body, BODY_MAX_CHARS),
    }
