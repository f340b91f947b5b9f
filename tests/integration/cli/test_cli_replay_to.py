"""`dispatchd replay --to`: old events for a destination that was linked later."""

import json
import os
import pty
import subprocess
import sys

import pytest

from dispatchd.model import EventStatus

CONFIG = """\
storage: {{url: "sqlite:///{database}"}}
endpoints:
  my-slug:
    secret: a-signing-secret
    filter: {{body.action: [opened, closed]}}
    destinations:
      - crm
      - to: late
        event_types: ["open*", closed]
        filter: 'body.n != 3'
        rules:
          - {{filter: {{body.bot: true}}, skip: true}}
  other: {{secret: x, destinations: [crm]}}
destinations:
  crm: {{url: "http://127.0.0.1:9/in"}}
  late: {{url: "http://127.0.0.1:9/late", event_types: ["*ed"]}}
"""


@pytest.fixture
def linked(world):
    """A world whose endpoint got a link to `late` after its events came."""
    world.config.write_text(CONFIG.format(database=world.database))
    world.lanes("crm")
    return world


def add(world, n, *to, **fields):
    body = {"action": fields.get("event_type", "opened"), "n": n, **fields.pop("more", {})}
    return world.add(*to, body=json.dumps(body).encode(), **fields)


def test_events_that_its_link_carries_are_owed_to_it(linked):
    first = add(linked, 1, "crm")
    linked.deliver(first, "crm")
    others = [
        add(linked, 3, "crm"),  # the link's filter
        add(linked, 4, "crm", event_type="pushed"),  # its event types
        add(linked, 5, "crm", event_type="opening"),  # what the destination wants
        add(linked, 6, "crm", more={"bot": True}),  # a rule
        add(linked, 7, "crm", event_type="other-ed"),  # the endpoint's filter
        add(linked, 8, "crm", endpoint="other"),  # no link
    ]
    ran = linked.dispatchd("replay", "--to", "late", "--dry-run", "--json")
    assert ran.json()["destinations"] == {"late": 1}
    ran = linked.dispatchd("replay", "--to", "late")
    assert (ran.code, ran.out) == (0, "Replayed 1 delivery.\n")
    assert linked.statuses(first) == {"crm": "success", "late": "queued"}
    assert all(linked.statuses(event) == {"crm": "queued"} for event in others)


def test_again_makes_nothing_twice(linked):
    event = add(linked, 1, "crm")
    assert linked.dispatchd("replay", "--to", "late").out == "Replayed 1 delivery.\n"
    assert linked.dispatchd("replay", "--to", "late").out == "Nothing to replay.\n"
    linked.deliver(event, "late")
    assert linked.dispatchd("replay", "--to", "late", event.id).out == "Nothing to replay.\n"
    assert linked.statuses(event)["late"] == "success"


def test_unfiltered_asks_the_links_nothing(linked):
    events = [add(linked, 3, "crm"), add(linked, 4, "crm", event_type="pushed")]
    elsewhere = add(linked, 8, "crm", endpoint="other")
    assert linked.dispatchd("replay", "--to", "late", "--unfiltered").out.startswith("Replayed 2")
    assert all("late" in linked.statuses(event) for event in events)
    assert "late" not in linked.statuses(elsewhere)


def test_what_was_filtered_on_arrival_is_judged_anew(linked):
    event = add(linked, 1, status=EventStatus.FILTERED, filtered_by="filter")
    assert linked.dispatchd("replay", "--to", "late", "--since", "1h").out.startswith("Replayed 1")
    assert linked.statuses(event) == {"late": "queued"}
    assert "1 queued" in linked.dispatchd("events").out


def test_narrowed_like_any_replay(linked):
    events = [add(linked, n, "crm") for n in (1, 2)]
    told = linked.dispatchd("replay", "--to", "late", "--filter", "body.n = 2", "--json").json()
    assert (told["deliveries"], told["undecided"]) == (1, 0)
    assert "late" in linked.statuses(events[1])
    (job,) = linked.dispatchd("jobs", "--json").json()
    assert job["query"]["to"] == "late"
    assert "new to late" in linked.dispatchd("jobs").out


def test_it_needs_no_secret(linked):
    add(linked, 1, "crm")
    text = linked.config.read_text().replace("a-signing-secret", "${NOT_SET_HERE}")
    linked.config.write_text(text)
    assert linked.dispatchd("replay", "--to", "late").code == 0


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (("--to", "lite"), "did you mean 'late'?"),
        (("--to", "late", "--endpoint", "other"), "has no link to 'late'"),
        (("--to", "late", "--failed"), "--to makes new deliveries"),
        (("--to", "late", "--as-sent"), "--to makes new deliveries"),
        (("--unfiltered", "--failed"), "--unfiltered goes with --to"),
    ],
)
def test_what_makes_no_sense_is_refused(linked, args, why):
    event = add(linked, 1, "crm")
    ran = linked.dispatchd("replay", *args)
    assert ran.code == 2
    assert why in " ".join(ran.err.split())
    assert linked.statuses(event) == {"crm": "queued"}


def many(world, count=101):
    events = [world.add("crm") for _ in range(count)]
    return [event.id for event in events]


def piped(world, *args, given=""):
    return subprocess.run(
        [sys.executable, "-m", "dispatchd", *args, "--config", str(world.config)],
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )


def test_ids_come_on_standard_input(world):
    world.lanes("crm")
    ids = many(world, 3)
    ran = piped(world, "replay", "-", given=f"{ids[0]}\n  {ids[1][:18]}\n\n")
    assert (ran.returncode, ran.stdout) == (0, "Replayed 2 deliveries.\n")
    ran = piped(world, "replay", "-", given="\n")
    assert (ran.returncode, ran.stdout) == (0, "Nothing to replay: no event id was given.\n")
    ran = piped(world, "replay", "-", given="EVENT AGE\n")
    assert (ran.returncode, "'EVENT' is no event id" in ran.stderr) == (2, True)


def test_many_are_not_replayed_unasked(world):
    world.lanes("crm")
    ids = many(world)
    ran = world.dispatchd("replay", "--status", "any")
    assert ran.code == 2
    assert "replay 101 deliveries" in ran.err
    assert "--yes" in ran.err
    assert world.dispatchd("jobs").out == "No jobs.\n"
    assert piped(world, "replay", "-", given="\n".join(ids)).returncode == 2
    assert piped(world, "replay", "-", "--yes", given="\n".join(ids)).returncode == 0


@pytest.mark.parametrize(
    ("bound", "value", "told"),
    [
        ("COUNTED_MAX", 150, "more than 150 deliveries"),
        ("COUNTED_MAX_S", 0.0, "0 deliveries or more"),
    ],
)
def test_a_count_that_takes_too_long_is_asked_about_too(world, monkeypatch, bound, value, told):
    world.lanes("crm")
    many(world, 160)
    monkeypatch.setattr(f"dispatchd.cli.replay.{bound}", value)
    ran = world.dispatchd("replay", "--status", "any", "--filter", "{body.action: opened}")
    assert ran.code == 2
    assert told in " ".join(ran.err.split())
    assert world.dispatchd("jobs").out == "No jobs.\n"


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1), ("", 1)])
def test_a_terminal_is_asked(world, answer, code):
    world.lanes("crm")
    many(world)
    main_fd, terminal = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "dispatchd", "replay", "--status", "any", "-c", world.config],
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=terminal,
    )
    os.close(terminal)
    shown = b""
    while b"[y/N]" not in shown:
        shown += os.read(main_fd, 4096)
    assert b"Replay 101 deliveries?" in shown
    os.write(main_fd, answer.encode() + b"\n")
    out, _ = running.communicate()
    os.close(main_fd)
    assert running.returncode == code
    assert (b"Replayed 101" in out) is (code == 0)
