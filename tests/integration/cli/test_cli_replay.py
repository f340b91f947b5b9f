"""`dispatchd replay` on a real database."""

import sqlite3

import pytest

from dispatchd.clock import new_id
from dispatchd.errors import StoreUnavailable
from dispatchd.store.sqlite import SqliteStore


@pytest.fixture
def history(world):
    """Return a delivered event, one that failed at both destinations, and an old failed one."""
    world.lanes("crm", "audit")
    good = world.add("crm")
    bad = world.add("crm", "audit")
    old = world.add("crm", received_ms=1_700_000_000_000)
    world.deliver(good, "crm")
    world.fail(bad, "crm")
    world.fail(bad, "audit")
    world.fail(old, "crm")
    return good, bad, old


def test_ids_start_afresh_whatever_became_of_them(world, history):
    good, bad, old = history
    ran = world.dispatchd("replay", good.id, bad.id, good.id)
    assert (ran.code, ran.out) == (0, "Replayed 3 deliveries.\n")
    assert world.statuses(good) == {"crm": "queued"}
    assert world.statuses(bad) == {"crm": "queued", "audit": "queued"}
    assert world.statuses(old) == {"crm": "failed"}
    story = world.dispatchd("show", good.id, "--json").json()
    assert story["deliveries"][0]["replays"] == 1
    assert "1 replay" in world.dispatchd("show", good.id).out


def test_failed_narrowed_by_destination_and_time(world, history):
    _, bad, old = history
    ran = world.dispatchd("replay", "--failed", "--destination", "crm", "--since", "2h", "--json")
    assert ran.json() == {"deliveries": 1, "dry_run": False, "held": {}}
    assert world.statuses(bad) == {"crm": "queued", "audit": "failed"}
    assert world.dispatchd("replay", "--failed").out == "Replayed 2 deliveries.\n"
    assert world.statuses(old) == {"crm": "queued"}
    assert world.dispatchd("replay", "--failed").out == "Nothing to replay.\n"


def test_many_are_replayed_once_each(world):
    events = [world.add("crm") for _ in range(3)]
    world.lanes("crm")
    for event in events:
        world.fail(event, "crm")
    assert world.dispatchd("replay", "--failed").out == "Replayed 3 deliveries.\n"
    story = world.dispatchd("show", events[0].id, "--json").json()
    assert story["deliveries"][0]["replays"] == 1


def test_dry_run_counts_and_changes_nothing(world, history):
    good, bad, _ = history
    for args, count in (
        ((good.id, bad.id), 3),
        ((bad.id, "--destination", "audit"), 1),
        (("--failed",), 3),
        (("--failed", "--destination", "crm"), 2),
        (("--failed", "--since", "2h"), 2),
    ):
        ran = world.dispatchd("replay", *args, "--dry-run", "--json")
        assert ran.json()["deliveries"] == count
    assert world.statuses(good) == {"crm": "success"}
    assert world.statuses(bad) == {"crm": "failed", "audit": "failed"}


def test_the_beginning_of_an_id_or_the_latest(world, history):
    _, _, old = history
    assert world.dispatchd("replay", "latest").out == "Replayed 1 delivery.\n"
    assert world.statuses(old) == {"crm": "queued"}
    assert world.dispatchd("replay", old.id[:22], "latest", old.id).out == "Replayed 1 delivery.\n"
    assert world.dispatchd("replay", old.id[:2]).code == 2


def test_a_destination_that_holds_nothing_of_it_is_not_spoken_of(world, history):
    good, _, _ = history
    world.lanes("crm")  # audit has left, and owes nothing
    assert world.dispatchd("replay", good.id).err == ""
    assert world.dispatchd("replay", "--failed", "--destination", "crm").err == ""
    assert "held" not in world.dispatchd("stats").out.replace("HELD", "")
    told = world.dispatchd("replay", "--failed", "--destination", "audit", "--json").json()
    assert told["held"] == {"audit": "not in the config"}


def test_what_was_held_before_is_told_again(world):
    event = world.add("gone")
    world.lanes("gone")
    world.lanes("crm")
    assert "Those to gone wait" in world.dispatchd("replay", event.id).err


def test_an_unknown_id_replays_nothing(world, history):
    good, _, _ = history
    unknown = new_id()
    ran = world.dispatchd("replay", good.id, unknown)
    assert ran.code == 1
    assert unknown in ran.err
    assert good.id not in ran.err
    assert world.statuses(good) == {"crm": "success"}


def test_an_unknown_destination_names_the_nearest(world, history):
    ran = world.dispatchd("replay", "--failed", "--destination", "cmr")
    assert ran.code == 2
    assert "did you mean 'crm'?" in ran.err


def test_a_destination_that_left_the_config_is_known_and_held(world):
    event = world.add("gone")
    world.lanes("gone")
    world.fail(event, "gone")
    world.lanes("crm", "audit")
    ran = world.dispatchd("replay", "--failed", "--destination", "gone")
    assert ran.out == "Replayed 1 delivery.\n"
    assert "Those to gone wait, it is held: not in the config" in ran.err
    assert world.statuses(event) == {"gone": "held"}


@pytest.mark.parametrize("args", [(), ("nonsense",), (new_id(), "--failed")])
def test_usage_errors(world, history, args):
    assert world.dispatchd("replay", *args).code == 2


def test_a_locked_database_is_one_sentence(world, history, monkeypatch):

    monkeypatch.setattr("dispatchd.cli.storage.BUSY_TIMEOUT_MS", 1)
    other = sqlite3.connect(world.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        ran = world.dispatchd("replay", "--failed")
        assert ran.code == 1
        assert "locked by another process" in ran.err
        assert world.dispatchd("events").code == 0  # reading goes on
    finally:
        other.close()


def test_a_terminal_sees_how_far_it_is(world, history):
    shown = "\n".join(world.on_terminal("replay", "--failed", columns=80))
    assert "replayed" in shown  # the bar's word
    assert "Replayed 3 deliveries." in shown


def test_a_failure_halfway_says_what_stays_done(world, history, monkeypatch):
    async def replay(self, query, now_ms):
        yield 500
        raise StoreUnavailable("full", "the database is on a full disk")

    monkeypatch.setattr(SqliteStore, "replay", replay)
    monkeypatch.setattr("dispatchd.cli.progress.LINE_EVERY_S", 0.0)
    ran = world.dispatchd("replay", "--failed")
    assert ran.code == 1
    assert "replayed 500 deliveries so far" in ran.err
    assert "full disk; replayed 500 deliveries before that, and that stays done" in ran.err
