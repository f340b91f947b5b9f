"""`dispatchd replay` on a real database."""

import pytest
from locks import write_lock

from dispatchd.clock import new_id
from dispatchd.errors import StoreUnavailable
from dispatchd.store.jobs import JobState, ReplayQuery
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
    assert ran.json() == {
        "job": 1,
        "state": "done",
        "deliveries": 1,
        "undecided": 0,
        "dry_run": False,
        "held": {},
    }
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
    with write_lock(world.database):
        ran = world.dispatchd("replay", "--failed")
        assert ran.code == 1
        assert "locked by another process" in ran.err
        assert world.dispatchd("events").code == 0  # reading goes on


def test_a_terminal_sees_how_far_it_is(world, history):
    shown = "\n".join(world.on_terminal("replay", "--failed", columns=80))
    assert "replayed" in shown  # the bar's word
    assert "Replayed 3 deliveries." in shown


def test_a_failure_halfway_says_what_stays_done(world, history, monkeypatch):
    moves = []

    async def advance(self, job, *args):
        if moves:
            raise StoreUnavailable("full", "the database is on a full disk")
        moves.append(await advancing(self, job, *args))
        return moves[0]

    advancing = SqliteStore.advance
    monkeypatch.setattr(SqliteStore, "advance", advance)
    monkeypatch.setattr("dispatchd.upkeep.replaying.BATCH_MAX", 2)
    monkeypatch.setattr("dispatchd.cli.progress.LINE_EVERY_S", 0.0)
    ran = world.dispatchd("replay", "--failed")
    assert ran.code == 1
    assert "replayed 2 deliveries so far" in ran.err
    assert "full disk; replayed 2 deliveries before that, and that stays done" in ran.err
    monkeypatch.undo()
    (job,) = world.dispatchd("jobs", "--json").json()
    assert (job["state"], job["deliveries"]) == ("running", 2)
    assert world.dispatchd("jobs", "run").out == "Job 1 is done: it replayed 3 deliveries.\n"
    assert world.dispatchd("jobs", "run").out == "Every job is over.\n"


@pytest.mark.parametrize(
    "given",
    [
        "{body.action: [opened, closed]}",
        '{"body.action": "opened", "headers.user-agent": "GitHub-*"}',
        'body.action = "opened" and source_ip = "192.0.2.1" and event_type = "opened"',
    ],
)
def test_a_filter_chooses(world, given):
    world.lanes("crm")
    wanted = world.add("crm")
    others = [
        world.add("crm", body=b'{"action":"labeled"}'),
        world.add("crm", body=b"no json", content_type="text/plain"),
    ]
    for event in (wanted, *others):
        world.fail(event, "crm")
    asked = ("replay", "--failed", "--filter", given)
    assert world.dispatchd(*asked, "--dry-run").out == "Would replay 1 delivery.\n"
    assert world.dispatchd(*asked).out == "Replayed 1 delivery.\n"
    assert world.statuses(wanted) == {"crm": "queued"}
    assert [world.statuses(event) for event in others] == [{"crm": "failed"}] * 2


def test_a_filter_that_decides_nothing_replays_nothing_and_says_so(world, history):
    ran = world.dispatchd("replay", "--failed", "--filter", "body.no_such_thing")
    assert ran.out == "Nothing to replay.\n"
    assert "yielded neither true nor false for 3 deliveries, which were not replayed" in ran.err


def test_every_other_way_to_choose(world, history):
    good, bad, _ = history

    def counted(*args):
        return world.dispatchd("replay", *args, "--dry-run", "--json").json()["destinations"]

    assert counted("--status", "success") == {"crm": 1}
    assert counted("--status", "success", "--status", "failed") == {"crm": 3, "audit": 1}
    assert counted("--status", "any", "--destination", "crm") == {"crm": 3}
    assert counted("--since", "2h") == {"audit": 1, "crm": 1}
    assert counted("--until", "2h") == {"crm": 1}
    assert counted("--event-type", "open*", "--endpoint", "my-slug") == {"audit": 1, "crm": 2}
    assert counted("--event-type", "closed") == {}
    assert counted("--endpoint", "keyed") == {}
    assert counted(bad.id, good.id, "--status", "success") == {"crm": 1}
    shown = world.dispatchd("replay", "--failed", "--dry-run").out
    assert shown == "Would replay 3 deliveries.\n        1 to audit\n        2 to crm\n"
    assert world.dispatchd("jobs").out == "No jobs.\n"


def test_a_rate_and_as_sent_are_kept_with_the_job(world, history):
    ran = world.dispatchd("replay", "--failed", "--rate", "10/s", "--as-sent", "--json")
    assert ran.json()["deliveries"] == 3
    (job,) = world.dispatchd("jobs", "--json").json()
    assert (job["rate_per_s"], job["query"]["as_sent"], job["state"]) == (10, True, "done")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--failed", "--rate", "fast"), "--rate"),
        (("--filter", "{body.a"), "no filter"),
        (("--filter", "{nowhere: 1}"), "no path"),
        (("--filter", "body.a ="), "no JSONata expression"),
        (("--status", "held"), "--status"),
        (("--failed", "--endpoint", "my-slig"), "did you mean 'my-slug'?"),
    ],
)
def test_what_cannot_be_asked_is_told_before_anything_starts(world, history, args, said):
    ran = world.dispatchd("replay", *args)
    assert ran.code == 2
    assert said in ran.err
    assert world.dispatchd("jobs", "--json").json() == []


def test_jobs_are_listed_and_ended(world, history):
    query = ReplayQuery(destination="crm", since_ms=1_700_000_000_000, event_type="open*")
    world.store(lambda store: store.add_job(query, 2.0, 1_700_000_000_000))
    lines = world.on_terminal("jobs", columns=80)
    assert max(map(len, lines)) <= 80
    whole = world.dispatchd("jobs").out
    assert "any to crm of type open* since 2023-11-14 22:13:20.000 UTC at 2/s" in whole
    assert "queued" in whole
    assert world.dispatchd("jobs", "cancel", 1).out == (
        "Job 1 is cancelled; it has replayed 0 deliveries.\n"
    )
    assert "job 1 is cancelled already" in world.dispatchd("jobs", "cancel", 1).err
    ran = world.dispatchd("jobs", "cancel", 7)
    assert (ran.code, ran.err) == (1, "dispatchd: there is no job 7; `dispatchd jobs` lists them\n")


def test_a_job_that_is_cancelled_meanwhile_says_so(world, history, monkeypatch):
    async def choose(self, job, limit):
        await self.end_job(job.id, JobState.CANCELLED, 1)
        return await choosing(self, job, limit)

    choosing = SqliteStore.choose
    monkeypatch.setattr(SqliteStore, "choose", choose)
    ran = world.dispatchd("replay", "--failed")
    assert ran.code == 1
    assert ran.out == "Replayed 0 deliveries.\n"
    assert "job 1 was cancelled" in ran.err


def test_a_ctrl_c_says_what_becomes_of_the_job(world, history, monkeypatch):
    async def choose(self, job, limit):
        raise KeyboardInterrupt

    monkeypatch.setattr(SqliteStore, "choose", choose)
    ran = world.dispatchd("replay", "--failed", "--yes")
    assert ran.code == 1
    assert "job 1 is not over: the daemon goes on with it, or `dispatchd jobs run`" in ran.err
