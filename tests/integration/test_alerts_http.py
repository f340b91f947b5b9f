"""Alerts over real HTTP: what happens to one destination arrives at another."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from locks import write_lock
from patience import HANG_S
from rig import FakeClock, Sink, StartDaemon, always
from rig_lanes import owed_by_another

from dispatchd.model import HoldKind
from dispatchd.spelling import iso
from dispatchd.store import store_from_url
from dispatchd.store.base import EventQuery

CONFIG = """
endpoints:
  my-slug: {{secret: your-signing-secret, destinations: [crm]}}
  silent: {{auth: none}}
destinations:
  crm: {{url: '{crm}', retry: {{max_attempts: 1}}{options}}}
  ops: {{url: '{ops}', retry: {{max_attempts: 1}}}}
  pager: {{url: '{pager}', retry: {{max_attempts: 1}}}}
alerts:
{alerts}
"""


def config(crm: Sink, ops: Sink, *alerts: str, options: str = "", pager: Sink | None = None) -> str:
    return CONFIG.format(
        crm=crm.url,
        ops=ops.url,
        pager=(pager or ops).url,
        options=options,
        alerts="\n".join(f"  - {alert}" for alert in alerts),
    )


def bodies(sink: Sink, kind: str | None = None) -> list[dict[str, Any]]:
    found = [json.loads(body) for _, body in sink.received]
    return [body for body in found if kind in (None, body["kind"])]


@pytest.fixture
async def ops(sink_factory) -> Sink:
    return await sink_factory()


async def test_a_lane_that_is_held_is_told_elsewhere_and_a_restart_neither_repeats_nor_forgets(
    start_daemon: StartDaemon, sink: Sink, ops: Sink, tmp_path: Path
) -> None:
    text = config(sink, ops, "{to: ops, on: [lane_held, lane_recovered], every: 15m}")
    clock = FakeClock()
    daemon = await start_daemon(text, clock=clock)
    await daemon.store.hold_lane("crm", HoldKind.PAUSED, "moving", clock.now_ms())
    await daemon.pass_until(clock, lambda: ops.received)
    (headers, raw) = ops.received[0]
    body = json.loads(raw)
    assert (body["kind"], body["destination"], body["count"]) == ("lane_held", "crm", 1)
    assert "paused: moving" in body["description"]
    assert headers["X-Dispatch-Endpoint"] == "dispatchd:alerts"
    assert headers["X-Dispatch-Event-Type"] == "dispatchd.alert.lane_held"
    await start_daemon.stop(daemon)
    # While the daemon is down it opens, is held again and opens.
    store = store_from_url(f"sqlite:///{tmp_path}/dispatchd.db")
    await store.open()
    await store.open_lane("crm", HoldKind.PAUSED)
    await store.hold_lane("crm", HoldKind.PAUSED, "again", clock.now_ms())
    await store.open_lane("crm", HoldKind.PAUSED)
    await store.close()
    daemon = await start_daemon(text, clock=clock)
    await daemon.pass_until(clock, lambda: len(ops.received) > 1)
    assert [body["kind"] for body in bodies(ops)] == ["lane_held", "lane_recovered"]
    assert bodies(ops, "lane_recovered")[0]["count"] == 2
    await start_daemon.stop(daemon)
    daemon = await start_daemon(text, clock=clock)
    await daemon.pass_until(clock, lambda: len(ops.received) > 2, step_s=60.0)
    (_, again) = bodies(ops, "lane_held")
    assert (again["count"], again["title"]) == (1, "crm was held")
    assert len(ops.received) == 3


async def test_a_storm_of_failures_is_one_alert_with_their_count(
    start_daemon: StartDaemon, sink: Sink, ops: Sink, tmp_path: Path
) -> None:
    clock = FakeClock()
    text = config(sink, ops, "{to: ops, on: [delivery_failed]}").replace(
        "destinations: [crm]",
        "destinations: [{to: crm, transform: '$error(\"no\")', on_transform_error: fail}]",
    )
    await owed_by_another(tmp_path, clock, 10_000, "crm")
    daemon = await start_daemon(text, clock=clock)
    async with asyncio.timeout(HANG_S):
        while (await daemon.store.lane_totals())["crm"].failed < 10_000:
            await asyncio.sleep(0.1)
    assert ops.received == []
    await daemon.pass_until(clock, lambda: ops.received)
    (body,) = bodies(ops)
    assert body["title"] == "10,000 deliveries to crm failed for good"
    assert body["count"] == 10_000
    assert "transform_error" in body["description"]


async def test_a_sender_that_is_refused_is_told_beyond_the_rate(
    start_daemon: StartDaemon, sink: Sink, ops: Sink
) -> None:
    clock = FakeClock()
    alert = "{to: ops, on: [source_errors], source_errors: {rate: 3/m}}"
    daemon = await start_daemon(config(sink, ops, alert), clock=clock)
    for _ in range(5):
        status, _, _ = await daemon.post(b"{}", secret="wrong")
        assert status == 401
    await daemon.pass_until(clock, lambda: ops.received)
    (body,) = bodies(ops)
    assert (body["endpoint"], body["count"]) == ("my-slug", 2)
    assert "your-signing-secret" not in json.dumps(body)


async def test_an_endpoint_that_falls_silent_is_told_over_a_restart(
    start_daemon: StartDaemon, sink: Sink, ops: Sink
) -> None:
    clock = FakeClock()
    text = config(sink, ops, "{to: ops, on: [quiet], quiet: {my-slug: 2h}}")
    daemon = await start_daemon(text, clock=clock)
    clock.advance(3600)
    await daemon.accepted(b"{}")
    await start_daemon.stop(daemon)
    clock.advance(3600)
    daemon = await start_daemon(text, clock=clock)
    for _ in range(4):
        clock.advance(600)  # in all an hour and forty minutes since it was heard
        await daemon.store.ping()
    assert ops.received == []
    await daemon.pass_until(clock, lambda: ops.received, step_s=60.0)
    (body,) = bodies(ops)
    assert (body["endpoint"], body["kind"]) == ("my-slug", "quiet")


async def test_what_an_endpoint_sent_last_before_a_downtime_counts(
    start_daemon: StartDaemon, sink: Sink, ops: Sink
) -> None:
    clock = FakeClock()
    text = config(sink, ops, "{to: ops, on: [quiet], quiet: {my-slug: 2h}}")
    daemon = await start_daemon(text, clock=clock)
    clock.advance(50)  # too little for its time to be kept
    heard_ms = clock.now_ms()
    await daemon.accepted(b"{}")
    await start_daemon.stop(daemon)
    clock.advance(7200)
    daemon = await start_daemon(text, clock=clock)
    await daemon.pass_until(clock, lambda: ops.received)
    assert bodies(ops)[0]["since"] == iso(heard_ms)


async def test_a_backlog_is_told_by_number(
    start_daemon: StartDaemon, sink: Sink, ops: Sink, tmp_path: Path
) -> None:
    clock = FakeClock()
    alert = "{to: ops, on: [backlog], backlog: {deliveries: 5}}"
    daemon = await start_daemon(config(sink, ops, alert), clock=clock)
    await daemon.store.hold_lane("crm", HoldKind.PAUSED, "", clock.now_ms())
    await owed_by_another(tmp_path, clock, 8, "crm")
    await daemon.pass_until(clock, lambda: ops.received)
    assert bodies(ops)[0]["title"] == "8 deliveries wait for crm"
    assert sink.received == []


async def test_a_full_disk_is_told_before_it_is_full(
    start_daemon: StartDaemon, sink: Sink, ops: Sink
) -> None:
    clock = FakeClock()
    alert = "{to: ops, on: [disk_low], disk_low: {free: 999999999GiB}}"
    daemon = await start_daemon(config(sink, ops, alert), clock=clock)
    await daemon.pass_until(clock, lambda: ops.received)
    assert bodies(ops)[0]["kind"] == "disk_low"
    assert "destination" not in bodies(ops)[0]


async def test_a_storage_fault_is_told_once_storage_works_again(
    start_daemon: StartDaemon, sink: Sink, ops: Sink, tmp_path: Path
) -> None:
    daemon = await start_daemon(config(sink, ops, "{to: ops, on: [storage_fault]}"))
    with write_lock(tmp_path / "dispatchd.db"):
        status, _, _ = await daemon.post(b"{}")
        assert status == 503
        await daemon.log.wait_for("storage_fault")
    await daemon.log.wait_for("storage_recovered")
    await ops.wait_for(1)
    (body,) = bodies(ops)
    assert body["kind"] == "storage_fault"
    assert "the database is locked" in body["description"]


async def test_two_that_fail_do_not_tell_of_each_other_for_ever(
    start_daemon: StartDaemon, sink: Sink, ops: Sink, sink_factory
) -> None:
    pager = await sink_factory()
    sink.answer = ops.answer = pager.answer = always(500)
    clock = FakeClock()
    alerts = ("{to: ops, on: [delivery_failed], every: 1m}", "{to: pager, every: 1m}")
    daemon = await start_daemon(config(sink, ops, *alerts, pager=pager), clock=clock)
    await daemon.accepted(b"{}")
    await daemon.log.wait_for("attempt", destination="crm")
    await daemon.pass_until(clock, lambda: min(len(ops.received), len(pager.received)) > 1)
    for _ in range(60):
        clock.advance(60)
        await daemon.store.ping()
    # Of crm each was told, and of the other's failure once; that these failed too is told nobody.
    for carrier, other in ((ops, "pager"), (pager, "ops")):
        about = [(body["kind"], body["destination"]) for body in bodies(carrier)]
        assert about == [("delivery_failed", "crm"), ("alert_failed", other)]


async def test_a_destination_is_never_told_of_itself(
    start_daemon: StartDaemon, sink: Sink, ops: Sink
) -> None:
    clock = FakeClock()
    daemon = await start_daemon(config(sink, ops, "{to: ops}"), clock=clock)
    for name in ("ops", "crm"):
        await daemon.store.hold_lane(name, HoldKind.PAUSED, "", clock.now_ms())
    await daemon.pass_until(clock, lambda: daemon.log.of("alert"))
    await daemon.store.open_lane("ops", HoldKind.PAUSED)
    await daemon.pass_until(clock, lambda: ops.received)
    assert [body["destination"] for body in bodies(ops)] == ["crm"]


async def test_without_alerts_nothing_is_kept_not_even_what_was(
    start_daemon: StartDaemon, sink: Sink, ops: Sink
) -> None:
    daemon = await start_daemon(config(sink, ops, "{to: ops}"))
    assert await daemon.store.alert_notes() != []
    await start_daemon.stop(daemon)
    text = f"""
    endpoints: {{my-slug: {{secret: your-signing-secret, destinations: [crm]}}}}
    destinations: {{crm: {{url: '{sink.url}'}}}}
    """
    daemon = await start_daemon(text)
    await daemon.accepted(b"{}")
    await sink.wait_for(1)
    assert await daemon.store.alert_notes() == []
    assert await daemon.store.find_events(EventQuery(endpoint="dispatchd:alerts")) == []
