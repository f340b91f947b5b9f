"""Delivery: a lane for every destination."""

import asyncio
from collections.abc import Sequence

from dispatchd.deliver.lane import Lane, LaneSpec, LaneTools, ReadyBytes
from dispatchd.deliver.specs import lane_specs
from dispatchd.model import Delivery, Event


class Deliverer:
    """Runs the lanes. `wake` is handed to whoever commits new deliveries."""

    def __init__(self, specs: Sequence[LaneSpec], tools: LaneTools) -> None:
        self._lanes = {spec.destination: Lane(spec, tools) for spec in specs}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start every lane."""
        self._tasks = [
            asyncio.create_task(lane.run(), name=f"lane {name}")
            for name, lane in self._lanes.items()
        ]

    def wake(self, event: Event, deliveries: Sequence[Delivery]) -> None:
        """Hand committed deliveries to their lanes."""
        for delivery in deliveries:
            lane = self._lanes.get(delivery.destination)
            if lane is not None:  # else it is held until its destination is back
                lane.push(delivery, event)

    async def stop(self, deadline_s: float) -> None:
        """Finish what is in flight, at most `deadline_s` long."""
        await asyncio.gather(*(lane.stop(deadline_s) for lane in self._lanes.values()))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


__all__ = ["Deliverer", "LaneTools", "ReadyBytes", "lane_specs"]
