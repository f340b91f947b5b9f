"""`dispatchd prune` on a real database."""

import time

DAY_MS = 86_400_000


def ago(days: float) -> int:
    return time.time_ns() // 1_000_000 - round(days * DAY_MS)


def test_retention_is_the_default(world):
    done = world.add("crm", received_ms=ago(31))
    world.deliver(done, "crm")
    fresh = world.add("crm", received_ms=ago(29))
    world.deliver(fresh, "crm")
    ran = world.dispatchd("prune")
    assert ran.out.startswith("Pruned 1 event received before ")
    assert world.dispatchd("show", done.id).code == 1
    assert world.dispatchd("show", fresh.id).code == 0


def test_what_owes_something_stays_however_old(world):
    owing = world.add("crm", received_ms=ago(400))
    ran = world.dispatchd("prune", "--older-than", "1d", "--json")
    assert ran.json()["events"] == 0
    assert world.dispatchd("show", owing.id).code == 0


def test_older_than_overrides(world):
    world.add(received_ms=ago(2))
    world.add(received_ms=ago(0.4))
    assert world.dispatchd("prune", "--older-than", "1d", "--json").json()["events"] == 1
    assert world.dispatchd("prune", "--older-than", "999999999d").out.startswith("Pruned 0 events")
    assert world.dispatchd("prune", "--older-than", "12h", "--json").json()["events"] == 0


def test_malformed_age_deletes_nothing(world):
    event = world.add(received_ms=ago(400))
    for age in ("30", "-1d", "soon", "1.5d", ""):
        assert world.dispatchd("prune", "--older-than", age).code == 2
    assert world.dispatchd("show", event.id).code == 0
