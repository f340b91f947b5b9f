"""All lanes: where receive hands over what it committed."""

import asyncio
from collections.abc import Iterable, Sequence

from dispatchd.deliver.lane import Lane, LaneTools
from dispatchd.deliver.spec import LaneSpec
from dispatchd.model import Delivery, Event


class Lanes:
    """Runs a lane for every destination of the config."""

    def __init__(self, specs: Sequence[LaneSpec], tools: LaneTools) -> None:
        self._lanes = {spec.destination: Lane(spec, tools) for spec in specs}

    async def run(self) -> None:
        """Run every lane until `stop`; the first surprise ends them all."""
        async with asyncio.TaskGroup() as group:
            for name, lane in self._lanes.items():
                group.create_task(lane.run(), name=f"lane {name}")

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
            self.look(name for name in destinations if name not in taken)

    def look(self, destinations: Iterable[str] | None = None) -> None:
        """Have lanes look into the store: what is owed changed behind their back."""
        for name in self._lanes if destinations is None else destinations:
            lane = self._lanes.get(name)
            if lane is not None:
                lane.look()

    def busy(self) -> dict[str, int]:
        """Return the exchanges under way, by destination."""
        return {name: busy for name, lane in self._lanes.items() if (busy := lane.busy())}

    async def stop(self, deadline_s: float, cut: asyncio.Event) -> None:
        """Start nothing new; finish what is in flight, until `deadline_s` or `cut`."""
        for lane in self._lanes.values():
            lane.close()
        await asyncio.gather(*(lane.stop(deadline_s, cut) for lane in self._lanes.values()))
