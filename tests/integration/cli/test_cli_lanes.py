"""`dispatchd destinations`, `pause` and `resume` on a real database."""

import re
import time

import pytest

from dispatchd.model import HoldKind, Pacing


def listed(world):
    return {
        lane.pop("destination"): lane for lane in world.dispatchd("destinations", "--json").json()
    }


def test_a_pause_holds_and_a_resume_opens(world):
    world.lanes("crm", "audit")
    event = world.add("crm", "audit")
    ran = world.dispatchd("pause", "crm", "--reason", "new\x1b server")
    assert (ran.code, ran.out) == (
        0,
        "crm is paused: its deliveries wait for `dispatchd resume`.\n",
    )
    assert world.statuses(event) == {"crm": "held", "audit": "queued"}
    (hold,) = listed(world)["crm"]["held"]
    assert (hold["kind"], hold["reason"]) == ("paused", "new\x1b server")
    assert listed(world)["crm"]["state"] == "held"
    shown = world.dispatchd("destinations").out
    assert re.search(r"^crm is held: paused: new\\x1b server \(\d+s ago\)$", shown, re.MULTILINE)
    assert world.dispatchd("resume", "crm").out == "crm is resumed.\n"
    assert world.statuses(event) == {"crm": "queued", "audit": "queued"}
    assert listed(world)["crm"]["held"] == []
    assert world.dispatchd("resume", "crm").out == "crm was not held.\n"


def test_paused_again_it_is_paused_since_it_first_was(world):
    world.lanes("crm")
    world.dispatchd("pause", "crm")
    (first,) = listed(world)["crm"]["held"]
    world.dispatchd("pause", "crm", "--reason", "longer")
    (again,) = listed(world)["crm"]["held"]
    assert again == {**first, "reason": "longer"}


def test_a_resume_ends_a_breaker_and_a_410_and_no_more(world):
    world.lanes("crm", "old")
    world.lanes("crm", "audit")
    for name in ("crm", "old"):
        for kind in (HoldKind.BREAKER, HoldKind.GONE):
            world.store(lambda store, n=name, k=kind: store.hold_lane(n, k, "", 1))
    assert world.dispatchd("resume", "crm").out == "crm is resumed.\n"
    ran = world.dispatchd("resume", "old")
    assert (ran.code, ran.out) == (0, "old is resumed.\n")
    assert ran.err == "old is still held: not in the config\n"
    assert [hold["kind"] for hold in listed(world)["old"]["held"]] == ["config"]
    assert world.dispatchd("resume", "old").out == ""


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_an_unknown_name_is_told_the_nearest(world, command):
    world.lanes("crm", "audit")
    ran = world.dispatchd(command, "cmr")
    assert ran.code == 2
    assert "did you mean 'crm'?" in ran.err
    assert set(listed(world)) == {"crm", "audit"}


def test_a_destination_that_no_daemon_has_seen_can_be_paused(world):
    world.lanes("crm")
    assert listed(world)["audit"]["state"] == "open"
    assert world.dispatchd("pause", "audit").code == 0
    world.lanes("crm", "audit")
    assert listed(world)["audit"]["state"] == "held"


def test_a_reason_has_a_bound(world):
    world.lanes("crm")
    assert world.dispatchd("pause", "crm", "--reason", "x" * 201).code == 2


def test_a_lane_that_the_daemon_goes_easy_on_is_paced(world):
    world.lanes("crm")
    now_ms = time.time_ns() // 1_000_000
    pacing = Pacing("it asked to be left alone for 60 s", now_ms - 5000)
    world.store(lambda store: store.pace_lanes({"crm": pacing}))
    lane = listed(world)["crm"]
    assert (lane["state"], lane["held"]) == ("paced", [])
    assert lane["paced"]["reason"] == pacing.reason
    shown = world.dispatchd("destinations").out
    assert "crm is paced: it asked to be left alone for 60 s (" in shown
    world.store(lambda store: store.pace_lanes({"crm": None}))
    assert (listed(world)["crm"]["state"], listed(world)["crm"]["paced"]) == ("open", None)


def test_the_list_tells_backlog_and_what_came_last_in_80_columns(world):
    world.lanes("crm", "audit", "a-destination-with-a-long-name")
    now_ms = time.time_ns() // 1_000_000
    delivered = world.add("crm", received_ms=now_ms - 7_200_000)
    world.deliver(delivered, "crm")
    failed = world.add("crm", "audit", received_ms=now_ms - 3_600_000)
    world.retry(failed, "crm", now_ms + 100_000)
    world.add("crm", received_ms=now_ms - 60_000)
    lane = listed(world)["crm"]
    assert lane["backlog"] == 2
    assert lane["last_error_class"] == "connection_refused"
    assert lane["last_success"] < lane["last_error"] < lane["oldest_due"]
    lines = world.on_terminal("destinations", columns=80)
    assert max(map(len, lines)) <= 80
    assert any("connection_refused" in line for line in lines)
    assert any(line.split()[:5] == ["crm", "open", "2", "1m", "ago"] for line in lines)
