"""All lanes: where receive hands over what it committed."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from dispatchd.deliver.any_lane import AnyLane
from dispatchd.deliver.condition import Condition
from dispatchd.deliver.holds import Holds
from dispatchd.deliver.lane import Lane
from dispatchd.deliver.pacing import Paces
from dispatchd.deliver.spec import LaneSpec
from dispatchd.deliver.tools import LaneTools
from dispatchd.gates import Gates
from dispatchd.model import Delivery, Event, LaneState

if TYPE_CHECKING:
    from dispatchd.deliver.pull import PullLane

HOLDS_DRAIN_S: Final = 2.0  # for what holds a lane to be written at the end
_OPEN: Final = LaneState()


class Lanes:
    """Runs a lane for every destination of the config; `change` makes it another config's.

    A lane whose destination left the config stays until what it has in hand is recorded or given
    back, and takes up again where it was should the destination come back meanwhile. One that is
    claimed from where it was sent to, or the other way round, has another lane, which begins when
    the old one is done.
    """

    def __init__(self, specs: Sequence[LaneSpec], tools: LaneTools) -> None:
        self._tools = tools
        self._holds = Holds(tools.store, tools.health, tools.clock, self._kept)
        self._paces = Paces(tools.store, tools.health, tools.clock)
        self._lanes = {spec.destination: self._lane(spec) for spec in specs}
        self._leaving: dict[str, AnyLane] = {}
        self._living: dict[str, asyncio.Task[None]] = {}
        self._group = asyncio.TaskGroup()
        self._stopping = asyncio.Event()

    def _lane(self, spec: LaneSpec) -> AnyLane:
        tools = self._tools
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
        if spec.courier is not None:
            return Lane(spec, tools, condition)
        from dispatchd.deliver.pull import PullLane  # noqa: PLC0415 - few configs have a queue

        return PullLane(spec, tools, condition)

    async def run(self) -> None:
        """Run every lane until `stop`; the first surprise ends them all."""
        async with self._group as group:
            keeping = group.create_task(self._holds.run(), name="holds")
            showing = group.create_task(self._paces.run(), name="paces")
            await self._stopping.wait()
            while self._living:
                await asyncio.wait(self._living.values())
            await self._holds.kept()
            keeping.cancel()
            showing.cancel()

    async def _live(self, name: str, lane: AnyLane) -> None:
        """Run a lane until the end, or until it has left the config and is done."""
        try:
            await lane.run()
            while not self._stopping.is_set():
                if not lane.closed:
                    await lane.run()
                elif not lane.done:
                    await lane.linger()
                else:
                    del self._leaving[name]
                    self._paces.say(name, None)
                    self._holds.look()  # another lane of that name may wait to begin
                    return
        finally:
            del self._living[name]

    def change(
        self, changed: Iterable[LaneSpec], added: Iterable[LaneSpec], removed: Iterable[str]
    ) -> None:
        """Be the lanes of another config: none waits for another, and nothing is cut off."""
        for name in removed:
            self._leave(name)
        for spec in changed:
            if _fits(self._lanes[spec.destination], spec):
                self._lanes[spec.destination].change(spec)
            else:
                self._leave(spec.destination)
                self._enter(spec)
        for spec in added:
            self._enter(spec)
        self._tools.room.share_among(len(self._lanes))
        self.look()

    def _leave(self, name: str) -> None:
        lane = self._lanes.pop(name)
        lane.close()
        if name in self._living and name not in self._leaving:  # else it has not even begun
            self._leaving[name] = lane

    def _enter(self, spec: LaneSpec) -> None:
        name = spec.destination
        known = self._leaving.get(name)
        if known is not None and _fits(known, spec):
            self._lanes[name] = self._leaving.pop(name)
            known.change(spec)
            known.reopen()
        else:
            self._lanes[name] = self._lane(spec)

    def queue(self, name: str) -> "PullLane | None":
        """Return the lane of a queue; None where there is no such queue."""
        from dispatchd.deliver.pull import PullLane  # noqa: PLC0415 - likewise

        lane = self._lanes.get(name)
        return lane if isinstance(lane, PullLane) else None

    def offer(self, destinations: Sequence[str], size_bytes: int) -> Sequence[str]:
        """Return which of the destinations' lanes have room for a new event of `size_bytes`.

        The room is theirs until the event is pushed or withdrawn. A destination without a lane
        is held: its deliveries wait in the store.
        """
        self._tools.courtesy.came()
        lanes, leaving = self._lanes, self._leaving
        return [
            name
            for name in destinations
            if (lane := lanes.get(name)) is not None
            and name not in leaving
            and lane.offer(size_bytes)
        ]

    def withdraw(self, offered: Sequence[str], size_bytes: int) -> None:
        """Take an offer back: the event was not kept."""
        for name in offered:
            self._of(name).withdraw(size_bytes)

    def push(self, event: Event, claimed: Sequence[Delivery], destinations: Sequence[str]) -> None:
        """Hand over a committed event: what was claimed, and a hint to the lanes of the rest."""
        for delivery in claimed:
            self._of(delivery.destination).push(delivery, event)
        if len(claimed) < len(destinations):
            taken = {delivery.destination for delivery in claimed}
            for name in destinations:
                if name not in taken:
                    self._look(name)

    def _of(self, name: str) -> AnyLane:
        """Return the lane that made an offer: it stays as long as the offer stands."""
        return self._leaving.get(name) or self._lanes[name]

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
            if name not in self._living:  # a lane that is held sends nothing before it knows
                task = self._group.create_task(self._live(name, lane), name=f"lane {name}")
                self._living[name] = task

    def busy(self) -> dict[str, int]:
        """Return the exchanges under way, by destination."""
        lanes = {**self._leaving, **self._lanes}
        return {name: busy for name, lane in lanes.items() if (busy := lane.busy())}

    async def stop(self, deadline_s: float, cut: asyncio.Event) -> None:
        """Start nothing new; finish what is in flight, until `deadline_s` or `cut`."""
        self._stopping.set()
        lanes = [*self._lanes.values(), *self._leaving.values()]
        for lane in lanes:
            lane.close()
        await asyncio.gather(*(lane.stop(deadline_s, cut) for lane in lanes))
        try:
            async with asyncio.timeout(HOLDS_DRAIN_S):
                await self._holds.kept()
        except TimeoutError:
            pass  # after the restart the lane finds out for itself


def _fits(lane: AnyLane, spec: LaneSpec) -> bool:
    """Whether a lane can go on by this spec: what is claimed is never sent by the same lane."""
    return lane.pulled is (spec.courier is None)
