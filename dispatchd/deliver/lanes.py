"""All lanes: where receive hands over what it committed."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from dispatchd.deliver.condition import Condition
from dispatchd.deliver.holds import Holds
from dispatchd.deliver.lane import Lane, LaneTools
from dispatchd.deliver.pacing import Paces
from dispatchd.deliver.spec import LaneSpec
from dispatchd.gates import Gates
from dispatchd.model import Delivery, Event, LaneState

HOLDS_DRAIN_S: Final = 2.0  # for what holds a lane to be written at the end
_OPEN: Final = LaneState()


class Lanes:
    """Runs a lane for every destination of the config."""

    def __init__(self, specs: Sequence[LaneSpec], tools: LaneTools) -> None:
        self._holds = Holds(tools.store, tools.health, tools.clock, self._kept)
        self._paces = Paces(tools.store, tools.health, tools.clock)
        self._lanes = {spec.destination: self._lane(spec, tools) for spec in specs}

    def _lane(self, spec: LaneSpec, tools: LaneTools) -> Lane:
        gates = Gates(spec.breaker, spec.gap_s, tools.clock.monotonic_s())
        condition = Condition(
            spec.destination,
            gates,
            self._holds,
            self._paces,
            clock=tools.clock,
            tell=tools.tell,
            in_order=spec.ordered,
        )
        return Lane(spec, tools, condition)

    async def run(self) -> None:
        """Run every lane until `stop`; the first surprise ends them all."""
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(self._holds.run(), name="holds")
            showing = group.create_task(self._paces.run(), name="paces")
            await self._holds.known.wait()  # a lane that is held sends nothing after a restart
            lanes = [
                group.create_task(lane.run(), name=f"lane {name}")
                for name, lane in self._lanes.items()
            ]
            await asyncio.gather(*lanes)
            await self._holds.kept()
            keeping.cancel()
            showing.cancel()

    def offer(self, destinations: Sequence[str], size_bytes: int) -> Sequence[str]:
        """Return which of the destinations' lanes have room for a new event of `size_bytes`.

        The room is theirs until the event is pushed or withdrawn. A destination without a lane
        is held: its deliveries wait in the store.
        """
        lanes = self._lanes
        return [
            name
            for name in destinations
            if (lane := lanes.get(name)) is not None and lane.offer(size_bytes)
        ]

    def withdraw(self, offered: Sequence[str], size_bytes: int) -> None:
        """Take an offer back: the event was not kept."""
        for name in offered:
            self._lanes[name].withdraw(size_bytes)

    def push(self, event: Event, claimed: Sequence[Delivery], destinations: Sequence[str]) -> None:
        """Hand over a committed event: what was claimed, and a hint to the lanes of the rest."""
        for delivery in claimed:
            self._lanes[delivery.destination].push(delivery, event)
        if len(claimed) < len(destinations):
            taken = {delivery.destination for delivery in claimed}
            for name in destinations:
                if name not in taken:
                    self._look(name)

    def look(self, destinations: Iterable[str] | None = None) -> None:
        """Have lanes look into the store: what is owed, or held, changed behind their back."""
        self._holds.look()
        for name in self._lanes if destinations is None else destinations:
            self._look(name)

    def _look(self, name: str) -> None:
        lane = self._lanes.get(name)
        if lane is not None:
            lane.look()

    def _kept(self, states: Mapping[str, LaneState]) -> None:
        for name, lane in self._lanes.items():
            lane.kept(states.get(name, _OPEN).holds)

    def busy(self) -> dict[str, int]:
        """Return the exchanges under way, by destination."""
        return {name: busy for name, lane in self._lanes.items() if (busy := lane.busy())}

    async def stop(self, deadline_s: float, cut: asyncio.Event) -> None:
        """Start nothing new; finish what is in flight, until `deadline_s` or `cut`."""
        for lane in self._lanes.values():
            lane.close()
        await asyncio.gather(*(lane.stop(deadline_s, cut) for lane in self._lanes.values()))
        try:
            async with asyncio.timeout(HOLDS_DRAIN_S):
                await self._holds.kept()
        except TimeoutError:
            pass  # after the restart the lane finds out for itself
