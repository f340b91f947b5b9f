"""The dashboard on the application: which page is where."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from dispatchd.admin.dashboard.assets import PREFIX, Assets
from dispatchd.admin.dashboard.configuration import ConfigPage
from dispatchd.admin.dashboard.consumers import Consumers
from dispatchd.admin.dashboard.desk import Desk
from dispatchd.admin.dashboard.destinations import DestinationPages
from dispatchd.admin.dashboard.endpoints import EndpointPages
from dispatchd.admin.dashboard.event import EventPage
from dispatchd.admin.dashboard.events import EventsPage
from dispatchd.admin.dashboard.jobs import JobPages
from dispatchd.admin.dashboard.overview import OverviewPage
from dispatchd.admin.dashboard.pages import Pages
from dispatchd.admin.dashboard.past import Pasts
from dispatchd.admin.dashboard.problem import ProblemPage
from dispatchd.admin.dashboard.pulse import Pulse
from dispatchd.admin.dashboard.ticks import Ticks
from dispatchd.admin.parts import AdminParts
from dispatchd.admin.standing import Standing


class Dashboard:
    """The pages, what they refer to, and what keeps them up to date."""

    def __init__(self, parts: AdminParts, pulse: Pulse, standing: Standing) -> None:
        self._assets = Assets()
        self._ticks = Ticks(pulse)
        self._pulse = pulse
        pasts = Pasts(parts)
        self.pages = Pages(parts, self._assets, pasts)
        consumers = Consumers(parts, pulse)
        self._desk = Desk(parts, self.pages, pulse, pasts, standing, consumers)
        self.consumers = consumers.middleware
        self.problems = ProblemPage(self.pages, pulse).middleware

    def add_to(self, app: web.Application) -> None:
        """Add every page."""
        desk = self._desk
        event, events, jobs = EventPage(desk), EventsPage(desk), JobPages(desk)
        destinations, endpoints, config = (
            DestinationPages(desk),
            EndpointPages(desk),
            ConfigPage(desk),
        )
        app.add_routes(
            [
                web.get(f"{PREFIX}{{name}}", self._assets.serve),
                web.get("/live", self._ticks.stream),
                web.get("/", OverviewPage(desk).show),
                web.get("/events", events.show),
                web.get("/events/{event_id}", event.show),
                web.post("/events/{event_id}/replay", self._acting(event.replay)),
                web.get("/destinations", destinations.show_all),
                web.get("/destinations/{destination}", destinations.show),
                web.post("/destinations/{destination}/pause", self._acting(destinations.pause)),
                web.post("/destinations/{destination}/resume", self._acting(destinations.resume)),
                web.post("/destinations/{destination}/test", self._acting(destinations.test)),
                web.get("/endpoints", endpoints.show_all),
                web.get("/endpoints/{endpoint:.+}", endpoints.show),
                web.get("/jobs", jobs.show_all),
                web.post("/jobs", self._acting(jobs.create)),
                web.get("/jobs/new", jobs.ask),
                web.get("/jobs/{job}", jobs.show),
                web.post("/jobs/{job}/cancel", self._acting(jobs.cancel)),
                web.get("/config", config.show),
                web.post("/config/reload", self._acting(config.reload)),
            ]
        )

    def _acting(
        self, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Have the pages that are open look again after somebody did something."""

        async def act(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            finally:
                self._pulse.touch()

        return act

    def follow(self) -> None:
        """Take note that another config runs."""
        self._pulse.touch()

    async def close(self) -> None:
        """End what would not end by itself."""
        self._ticks.close()
        await self.pages.close()
