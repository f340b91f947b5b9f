"""Alarms over a reload: what one config's watch began to hear, the next one's hears the end of."""

from pathlib import Path

from rig import FakeClock, RecordingLog

from dispatchd.alarms import Alarms
from dispatchd.config import load
from dispatchd.errors import StoreUnavailable
from dispatchd.plan.compiling import compile_plan
from dispatchd.store import store_from_url
from dispatchd.store.health import StoreHealth

CONFIG = """
storage: {url: 'sqlite:///PATH/dispatchd.db'}
endpoints: {my-slug: {auth: none, destinations: [crm]}}
destinations: {crm: {url: 'http://127.0.0.1:9/'}, ops: {url: 'http://127.0.0.1:9/ops'}}
alerts: [{to: ops, on: [storage_fault]}]
"""


async def test_a_storage_fault_that_outlasts_a_reload_is_told(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.replace("PATH", str(tmp_path)))
    plan = compile_plan(load(path))
    store, clock = store_from_url(plan.storage_url), FakeClock()
    await store.open()
    await store.open_lanes(plan.lanes, clock.now_ms())
    told: list[str] = []
    alarms = Alarms(store, StoreHealth(lambda _error: None), clock, RecordingLog())
    alarms.want(plan, ())
    await alarms.start(told.extend, 0)
    alarms.storage(StoreUnavailable("full", "the database is on a full disk"))
    alarms.want(plan, ())
    await alarms.start(told.extend, 0)
    alarms.storage(None)
    await alarms.stop()
    await store.close()
    assert told == ["ops"]
