"""Whatever happens in whatever order, also crashes: never two in a window, and nothing is lost."""

import asyncio
import tempfile
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from alerts import EVERY_MS, a_spec, told
from hypothesis import given, settings
from hypothesis import strategies as st
from nouns import NOW_MS, an_attempt, an_event
from rig import FakeClock, RecordingLog

from dispatchd.alert.alerting import Alerting
from dispatchd.alert.watch import AlertWatch
from dispatchd.alert_kinds import AlertKind
from dispatchd.facts import WebhookAnswered
from dispatchd.model import Dead, ErrorClass, HoldKind
from dispatchd.store import Store, store_from_url
from dispatchd.store.health import StoreHealth

SPECS = [
    a_spec(kinds=frozenset({AlertKind.DELIVERY_FAILED, AlertKind.LANE_HELD})),
    a_spec(
        to="pager",
        kinds=frozenset({AlertKind.DELIVERY_FAILED, AlertKind.LANE_RECOVERED}),
        destinations=frozenset({"pager"}),
        every_ms=5 * EVERY_MS,
    ),
    a_spec(to="audit", kinds=frozenset({AlertKind.QUIET, AlertKind.SOURCE_ERRORS})),
]
ACTIONS = st.lists(
    st.sampled_from(["fail", "hold", "open", "hook", "refuse"])
    | st.sampled_from(["look", "crash", "crash while telling", "restart"])
    | st.tuples(st.just("pass"), st.sampled_from([1, 30, 59, 60, 400, 4000])),
    max_size=40,
)


class CrashError(BaseException):
    """The process is gone."""


class World:
    """A store, and a daemon's alerts over it that may end at any time."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = FakeClock()
        self.clock.wall_ms = NOW_MS
        self.failed = self.held = self.opened = 0
        self.is_held = False

    async def start(self) -> None:
        self.watch = AlertWatch(SPECS, self.clock)
        self.alerting = Alerting(
            SPECS,
            self.watch,
            self.store,
            health=StoreHealth(lambda _: None),
            clock=self.clock,
            log=RecordingLog(),
            look=lambda _: None,
        )
        kept_ms = await self.store.kept_time()
        await self.alerting.start(["crm", "ops", "pager", "audit"], ["my-slug"], kept_ms)

    async def do(self, action: Any) -> None:
        match action:
            case "fail":
                event = an_event(received_ms=self.clock.now_ms())
                (delivery,) = await self.store.add_event(event, ["crm"], claim=["crm"])  # type: ignore[misc]
                attempt = an_attempt(delivery, error=ErrorClass.HTTP)
                await self.store.record(delivery, attempt, Dead())
                self.failed += 1
            case "hold":
                await self.store.hold_lane("crm", HoldKind.PAUSED, "", self.clock.now_ms())
                self.held += not self.is_held
                self.is_held = True
            case "open":
                await self.store.open_lane("crm", *HoldKind)
                self.opened += self.is_held
                self.is_held = False
            case "hook":
                event = an_event(received_ms=self.clock.now_ms())
                await self.store.add_event(event, [])
                self.watch.tell(WebhookAnswered("my-slug", 202, event=event))
            case "refuse":
                self.watch.tell(WebhookAnswered("my-slug", 401))
            case _:
                await self.go_on(action)

    async def go_on(self, action: Any) -> None:
        match action:
            case "look":
                await self.alerting.step()
            case "crash":
                await self.start()
            case "crash while telling":
                await self.crash_while_telling()
            case "restart":
                await self.alerting.stop()
                await self.start()
            case ("pass", seconds):
                self.clock.advance(seconds)
                await self.store.keep_time(self.clock.now_ms())

    async def crash_while_telling(self) -> None:
        """End after the first alert is on disk, before anything knows that it is."""

        def gone(_: Any) -> None:
            raise CrashError

        self.alerting._look = gone
        with suppress(CrashError):
            await self.alerting.step()
        await self.start()


@given(ACTIONS)
@settings(max_examples=40, deadline=None)
def test_never_two_in_a_window_and_nothing_is_lost(actions: list[Any]) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as directory:
            store = store_from_url(f"sqlite:///{Path(directory)}/d.db")
            await store.open()
            await store.open_lanes(["crm", "ops", "pager", "audit"])
            world = World(store)
            await world.start()
            for action in actions:
                await world.do(action)
            await world.do("open")
            for _ in range(2):
                await world.do(("pass", 10 * EVERY_MS // 1000))
                await world.do("look")
            await check(world)
            await store.close()

    asyncio.run(run())


async def check(world: World) -> None:
    alerts = await told(world.store)
    for spec in SPECS:
        mine = [one for one in alerts if one["to"] == spec.to]
        for kind in {one["kind"] for one in mine}:
            times = [one["told_ms"] for one in mine if one["kind"] == kind]
            gaps = [later - first for first, later in pairwise(times)]
            assert all(gap >= spec.every_ms for gap in gaps), (kind, gaps)

    def count(to: str, kind: str) -> int:
        return sum(one["count"] for one in alerts if (one["to"], one["kind"]) == (to, kind))

    assert count("ops", "delivery_failed") == world.failed
    assert count("pager", "delivery_failed") == world.failed
    assert count("ops", "lane_held") == world.held
    assert count("pager", "lane_recovered") == world.opened


@given(
    st.lists(
        st.tuples(st.sampled_from([60, 600, 1800, 5000]), st.booleans(), st.booleans()),
        max_size=20,
    )
)
@settings(max_examples=25, deadline=None)
def test_silence_is_told_once_each_time_whatever_crashes(
    steps: list[tuple[int, bool, bool]],
) -> None:
    """The time of the last event survives a crash at any point, kept by then or not."""

    async def run() -> None:
        with tempfile.TemporaryDirectory() as directory:
            store = store_from_url(f"sqlite:///{Path(directory)}/d.db")
            await store.open()
            world = World(store)
            await world.start()
            silences, silent, heard_ms = 0, False, NOW_MS
            for seconds, hook, crash in steps:
                for _ in range(seconds // 60):
                    await world.do(("pass", 60))
                    await world.do("look")
                quiet = world.clock.now_ms() - heard_ms >= 3_600_000
                silences += quiet and not silent
                silent = quiet
                if hook:
                    await world.do("hook")
                    heard_ms, silent = world.clock.now_ms(), False
                if crash:
                    await world.do("crash")
                await world.do("look")
            assert len(await told(store, "quiet")) == silences
            await store.close()

    asyncio.run(run())
