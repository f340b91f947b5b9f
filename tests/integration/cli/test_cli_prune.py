"""`dispatchd prune` on a real database."""

import time
from pathlib import Path

from released import EVENTS, unpack

from dispatchd.store.sqlite.upgrade import SCHEMA_VERSION

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


def test_what_failed_for_good_is_kept_longer_and_counted(world):
    failed = [world.add("crm", received_ms=ago(days)) for days in (40, 100)]
    for event in failed:
        world.fail(event, "crm")
    done = world.add("crm", received_ms=ago(40))
    world.deliver(done, "crm")
    ran = world.dispatchd("prune")
    assert ran.out.startswith("Pruned 2 events received before ")
    assert "Kept 1 event with a failed delivery, received since " in ran.out
    assert world.dispatchd("show", failed[0].id).code == 0
    assert world.dispatchd("show", failed[1].id).code == 1
    told = world.dispatchd("prune", "--older-than", "15d", "--json").json()
    assert (told["events"], told["kept_failed"]) == (0, 1)
    assert told["failed_before"] < told["before"]
    options = ("--older-than", "15d", "--failed-older-than", "20d", "--json")
    assert world.dispatchd("prune", *options).json()["events"] == 1


def test_the_failed_are_never_kept_shorter(world):
    ran = world.dispatchd("prune", "--older-than", "2d", "--failed-older-than", "1d")
    assert (ran.code, "must not be less" in ran.err) == (2, True)


def test_malformed_age_deletes_nothing(world):
    event = world.add(received_ms=ago(400))
    for age in ("30", "-1d", "soon", "1,5d", ""):
        assert world.dispatchd("prune", "--older-than", age).code == 2
    assert world.dispatchd("show", event.id).code == 0


def test_the_oldest_go_for_max_size_unless_an_age_is_given(world):
    storage = f"url: sqlite:///{world.database}"
    text = world.config.read_text()
    world.config.write_text(text.replace(storage, f"{storage}\n  retention: {{max_size: 1MiB}}"))
    events = [world.add(received_ms=ago(5 - n / 100), body=bytes(200_000)) for n in range(10)]
    assert world.dispatchd("prune", "--older-than", "20d").out.startswith("Pruned 0 events")
    told = world.dispatchd("prune", "--json").json()
    assert told["events"] == 0
    assert 4 <= told["over_max_size"] < 9
    assert world.dispatchd("show", events[0].id).code == 1
    assert world.dispatchd("show", events[-1].id).code == 0
    assert world.database.stat().st_size < 1024**2


def test_a_command_that_upgrades_the_database_says_so(world):
    """And leaves the copy beside it, unless the config wants none."""
    unpack(7, world.database)
    ran = world.dispatchd("events", "--json")
    copy = f"{world.database}.schema-7.backup"
    assert len(ran.json()) == EVENTS
    assert ran.err == (
        f"Upgraded the database from schema version 7 to {SCHEMA_VERSION},"
        f" a copy from before is {copy}.\n"
    )
    assert Path(copy).exists()
    assert world.dispatchd("events").err == ""
