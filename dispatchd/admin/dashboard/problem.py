"""What went wrong, as a page for whoever asked for one; anything else gets the document."""

from typing import Final

import orjson
from aiohttp import web

from dispatchd.admin.dashboard.pages import SEEN, Pages
from dispatchd.admin.dashboard.pulse import Pulse
from dispatchd.admin.guard import Handler
from dispatchd.admin.problems import PROBLEM_JSON

_MACHINES: Final = ("/api/", "/metrics", "/live", "/static/", "/healthz", "/readyz")
_NEXT: Final = {
    401: "Sign in, then try again.",
    403: "Go back, load that page again, and try once more.",
    404: "It may have been deleted by now: events are kept as long as storage.retention says.",
    503: "Nothing was changed. Try again in a moment.",
}


class ProblemPage:
    """Shows problems to browsers."""

    def __init__(self, pages: Pages, pulse: Pulse) -> None:
        self._pages = pages
        self._pulse = pulse

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a browser's request for a page with a page."""
        request[SEEN] = self._pulse.version
        answer = await handler(request)
        if (
            not isinstance(answer, web.Response)
            or answer.content_type != PROBLEM_JSON
            or "text/html" not in request.headers.get("Accept", "")
            or request.path.startswith(_MACHINES)
        ):
            return answer
        problem = orjson.loads(answer.body if isinstance(answer.body, bytes) else b"{}")
        kept = {n: answer.headers[n] for n in ("Retry-After", "Allow") if n in answer.headers}
        return await self._pages.page(
            request,
            "problem",
            {"problem": problem, "next": _NEXT.get(answer.status, "")},
            status=answer.status,
            headers=kept,
        )
