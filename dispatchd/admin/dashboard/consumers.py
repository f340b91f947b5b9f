"""Who asks a pull queue: when a consumer last did, and how many wait. In memory, of this run."""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web

from dispatchd.admin.api.openapi import PREFIX
from dispatchd.admin.dashboard.pulse import Pulse
from dispatchd.admin.guard import Handler
from dispatchd.admin.parts import AdminParts
from dispatchd.shapes.spelling import iso_or_none

QUIET_MS: Final = 60_000  # as long as a claim may wait
_CLAIM: Final = f"{PREFIX}/pull/{{queue}}/claim"


@dataclass(slots=True)
class Asking:
    """What is known of a queue's consumers: so many wait, and one last asked then (Unix ms)."""

    waiting: int = 0
    last_ms: int | None = None

    def told(self, now_ms: int) -> dict[str, Any]:
        """Return what pages say; `quiet` where nobody has asked for a while."""
        last_ms = self.last_ms
        return {
            "waiting": self.waiting,
            "last": iso_or_none(last_ms),
            "quiet": not self.waiting and (last_ms is None or now_ms - last_ms > QUIET_MS),
        }


class Consumers:
    """Takes note of claims as they are asked, with a key that is right."""

    def __init__(self, parts: AdminParts, pulse: Pulse) -> None:
        self._parts = parts
        self._pulse = pulse
        self._asking: dict[str, Asking] = {}

    def of(self, queue: str) -> Asking:
        """Return what is known of a queue's consumers."""
        return self._asking.get(queue) or Asking()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Note a claim, when it comes and when it is answered."""
        name = request.match_info.get("queue")
        resource = request.match_info.route.resource
        if (
            name is None
            or resource is None
            or resource.canonical != _CLAIM
            or self._parts.queue(name) is None
        ):
            return await handler(request)
        asking = self._asking.setdefault(name, Asking())
        asking.last_ms = self._parts.clock.now_ms()
        asking.waiting += 1
        self._pulse.touch()
        try:
            return await handler(request)
        finally:
            asking.waiting -= 1
            self._pulse.touch()  # it may have been handed something, which is no fact


def claim_url(request: web.Request, queue: str) -> str:
    """Return where consumers claim, by the name that this page was asked by."""
    # What a proxy says of its own side is shown to whoever sent it, and to nobody else.
    secure = request.headers.get("X-Forwarded-Proto", request.scheme) == "https"
    return f"http{'s' if secure else ''}://{request.host}{PREFIX}/pull/{quote(queue)}/claim"
