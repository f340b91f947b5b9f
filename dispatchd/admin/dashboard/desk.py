"""What every page has at hand."""

from dataclasses import dataclass, replace
from typing import Any

import orjson

from dispatchd.admin.api.destinations import with_config
from dispatchd.admin.dashboard.consumers import Consumers
from dispatchd.admin.dashboard.pages import Pages
from dispatchd.admin.dashboard.past import Pasts
from dispatchd.admin.dashboard.pulse import Pulse
from dispatchd.admin.parts import AdminParts, Running
from dispatchd.admin.standing import Standing
from dispatchd.frozen import frozen
from dispatchd.model import LaneState
from dispatchd.shapes.lane import LaneFields, lane_fields
from dispatchd.store.base import LaneSummary


@frozen
class Known:
    """The config that runs, read once: as it may be shown, and what its endpoints expect."""

    running: Running
    config: dict[str, Any]
    endpoints: dict[str, dict[str, Any]]

    def destination(self, name: str) -> dict[str, Any]:
        """Return a destination's values; of one that has left the config nothing."""
        found: dict[str, Any] = self.config["destinations"].get(name, {})
        return found

    def is_queue(self, name: str) -> bool:
        """Whether consumers claim from a destination; what has left the config is none."""
        return self.destination(name).get("type") == "pull"


@dataclass(slots=True)
class Desk:
    """Whom the pages ask, and how they are rendered."""

    parts: AdminParts
    pages: Pages
    pulse: Pulse
    pasts: Pasts
    standing: Standing
    consumers: Consumers
    _known: Known | None = None

    @property
    def known(self) -> Known:
        """What is known of the config that runs."""
        running = self.parts.running
        if self._known is None or self._known.running is not running:
            endpoints = {one["endpoint"]: one for one in orjson.loads(running.spec.endpoints)}
            self._known = Known(running, orjson.loads(running.spec.config), endpoints)
        return self._known

    async def lanes(self) -> list[LaneFields]:
        """Return every destination: its backlog as last counted, its state as it is now."""
        counted = {lane.destination: lane for lane in await self.standing.lanes()}
        states = await self.parts.reads.lane_states()
        for name, state in states.items():
            lane = counted.get(name) or LaneSummary(name, LaneState(), 0, None, None, None, None)
            counted[name] = replace(lane, state=state)
        return [lane_fields(lane) for lane in with_config(self.parts, list(counted.values()))]
