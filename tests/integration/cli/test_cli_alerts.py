"""`dispatchd alerts` on a real database."""

import json
import time

from dispatchd.alert_kinds import AlertKind
from dispatchd.store.alerts import AlertNote


def noted(world, *notes):
    world.store(lambda store: store.keep_alert_notes(notes))


def test_there_are_none(world):
    world.lanes("crm")
    assert world.dispatchd("alerts").out.startswith("No alerts: the config has none")
    assert world.dispatchd("alerts", "--json").json() == []


def test_only_what_happened_is_listed_without_all(world):
    world.lanes("crm")
    noted(world, AlertNote("audit", AlertKind.DISK_LOW, ""))
    assert world.dispatchd("alerts").out.startswith("Nothing has happened yet: 1 watched")
    assert "disk_low" in world.dispatchd("alerts", "--all").out


def test_what_was_told_and_what_waits(world):
    now_ms = time.time_ns() // 1_000_000
    event = world.add("audit").id
    note = AlertNote(
        "audit",
        AlertKind.LANE_HELD,
        "crm",
        pending=2,
        since_ms=now_ms - 5000,
        alerts=3,
        told_ms=now_ms - 60_000,
        event_id=event,
    )
    active = AlertNote("audit", AlertKind.BACKLOG, "crm", active=True)
    noted(world, note, active)
    out = world.dispatchd("alerts").out.splitlines()
    assert out[1].split() == ["backlog", "crm", "audit", "on", "0", "-", "0", "-"]
    assert out[2].split() == ["lane_held", "crm", "audit", "-", "3", "1m", "ago", "2", event[:13]]
    lines = world.on_terminal("alerts", columns=80)
    assert max(map(len, lines)) <= 80
    (_, held) = world.dispatchd("alerts", "--json").json()
    assert held["pending_since"] > held["last_told"]
    del held["pending_since"], held["last_told"]
    assert held == {
        "kind": "lane_held",
        "about": "crm",
        "to": "audit",
        "active": False,
        "told": 3,
        "pending": 2,
        "event_id": event,
    }


def test_a_test_alert_is_a_delivery_like_any_other(world):
    world.lanes("crm", "audit")
    ran = world.dispatchd("alerts", "test", "audit")
    assert ran.code == 0
    assert "A test alert to audit waits for the daemon, which is not running." in ran.out
    event_id = ran.out.split()[-1]
    shown = world.dispatchd("show", event_id, "--json").json()
    assert shown["endpoint"] == "dispatchd:alerts"
    assert shown["event_type"] == "dispatchd.alert.test"
    assert [d["destination"] for d in shown["deliveries"]] == ["audit"]
    assert json.loads(shown["body"])["title"] == "This is a test alert"
    listed = world.dispatchd("events", "--endpoint", "dispatchd:alerts", "--json").json()
    assert [event["event_id"] for event in listed] == [event_id]


def test_an_unknown_destination_is_told_the_nearest(world):
    world.lanes("crm")
    ran = world.dispatchd("alerts", "test", "cmr")
    assert ran.code == 2
    assert "did you mean 'crm'?" in ran.err


def test_explain_says_that_an_alert_is_one(world):
    world.lanes("crm", "audit")
    event_id = world.dispatchd("alerts", "test", "audit").out.split()[-1]
    ran = world.dispatchd("explain", event_id)
    assert "an alert of dispatchd's own" in ran.out


def test_alerts_are_replayed_like_any_event(world):
    world.lanes("crm", "audit")
    world.dispatchd("alerts", "test", "audit")
    assert world.dispatchd("replay", "--endpoint", "dispatchd:alerts", "--dry-run").code == 0
