"""Rendering: templates of this package, escaped by themselves, loaded with the first page."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from dispatchd import __version__
from dispatchd.admin.dashboard.assets import Assets
from dispatchd.admin.dashboard.filters import FILTERS, NONE, ago, exact
from dispatchd.admin.dashboard.past import Pasts
from dispatchd.admin.guard import CSRF, CSRF_FIELD, KNOWN, SESSION
from dispatchd.admin.parts import AdminParts
from dispatchd.strangers import printable

if TYPE_CHECKING:
    from jinja2 import Environment

# What had happened when a page was asked for: whatever comes after it is news to that page.
SEEN: Final = web.RequestKey("seen", int)
LIVE_HEADER: Final = "X-Dispatchd-Live"  # of a page that asks for itself again
NAV: Final = (
    ("/", "Overview", "overview"),
    ("/events", "Events", "events"),
    ("/destinations", "Destinations", "destinations"),
    ("/endpoints", "Endpoints", "endpoints"),
    ("/jobs", "Jobs", "jobs"),
    ("/config", "Config", "config"),
)


def is_live(request: web.Request) -> bool:
    """Whether a page that is open asks for what has changed in it."""
    return LIVE_HEADER in request.headers


class Pages:
    """Renders pages."""

    def __init__(self, parts: AdminParts, assets: Assets, pasts: Pasts) -> None:
        self._parts = parts
        self._pasts = pasts
        self._assets = assets
        self._environment: Environment | None = None
        self._loading = asyncio.Lock()
        self._warming: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """End what goes on beside the pages."""
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.gather(self._warming, return_exceptions=True)

    async def page(
        self,
        request: web.Request,
        name: str,
        told: Mapping[str, Any],
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> web.Response:
        """Return a page of the template `name`."""
        environment = await self._loaded()
        text = environment.get_template(f"{name}.html").render(
            {
                "now_ms": self._parts.clock.now_ms(),
                "csrf": request.get(CSRF, ""),
                "known": request.get(KNOWN, False),
                "signed_in": SESSION in request,
                "section": "",
                "seen": request.get(SEEN, 0),
                "store_good": self._parts.health.good,
                "here": request.path,
                "canonical": request.path_qs,
                **told,
            }
        )
        body = text.encode("utf-8", "replace")
        return web.Response(
            status=status, body=body, content_type="text/html", charset="utf-8", headers=headers
        )

    async def _loaded(self) -> "Environment":
        async with self._loading:
            if self._environment is None:
                # In a thread: importing jinja2 and compiling templates takes its time once.
                self._environment = await asyncio.to_thread(self._load)
                self._warming = asyncio.create_task(self._pasts.warm())
            return self._environment

    def _load(self) -> "Environment":
        from jinja2 import (  # noqa: PLC0415 - late
            Environment,
            PackageLoader,
            StrictUndefined,
            pass_context,
        )
        from markupsafe import Markup  # noqa: PLC0415 - likewise; what jinja2 itself is made on

        def harmless(value: Any) -> Any:
            """Spell what could command or mislead a reader; jinja2 escapes HTML after it."""
            return printable(value, lines=True) if type(value) is str else value

        @pass_context
        def when(context: Any, iso: str | None, none: str = NONE) -> Markup:
            if iso is None:
                return Markup("{}").format(none)
            words = ago(iso, context["now_ms"])
            return Markup('<time datetime="{}" title="{}">{}</time>').format(iso, exact(iso), words)

        environment = Environment(
            loader=PackageLoader(__package__),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=harmless,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.filters |= FILTERS
        environment.globals |= {
            "when": when,
            "asset": self._assets.url,
            "drawn": Markup,  # what our own modules drew and escaped
            "nav": NAV,
            "version": __version__,
            "csrf_field": CSRF_FIELD,
        }
        for template in environment.list_templates():
            environment.get_template(template)
        return environment
