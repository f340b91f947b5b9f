"""`dispatchd events` on a real database."""

import os
import subprocess
import sys

import pytest

from dispatchd.model import EventStatus

EVIL = "\x1b[2J\x1b]0;owned\x07\u202e\x9b31m"


def ids(ran) -> list[str]:
    return [event["event_id"] for event in ran.json()]


def test_lists_newest_first_with_deliveries(world):
    first = world.add("crm", "audit")
    second = world.add("crm", event_type=None)
    world.deliver(first, "crm")
    world.fail(first, "audit")
    ran = world.dispatchd("events")
    assert ran.code == 0
    header, *lines = ran.out.splitlines()
    assert header.split() == ["EVENT", "AGE", "ENDPOINT", "TYPE", "SIZE", "DELIVERIES"]
    assert [line.split()[0] for line in lines] == [second.id, first.id]
    assert lines[1].endswith("audit failed, 1 success")
    assert lines[0].split()[3:] == ["-", "19", "B", "1", "queued"]


def test_json_holds_every_field(world):
    event = world.add("crm", received_ms=1_700_000_000_123)
    assert world.dispatchd("events", "--json").json() == [
        {
            "event_id": event.id,
            "endpoint": "my-slug",
            "received": "2023-11-14T22:13:20.123Z",
            "event_type": "opened",
            "source_ip": "192.0.2.1",
            "status": "received",
            "body_bytes": 19,
            "deliveries": {"queued": 1},
            "destinations": {"crm": "queued"},
        }
    ]


def test_every_filter_narrows(world):
    now = world.add("crm")
    old = world.add("audit", received_ms=1_700_000_000_000, event_type="closed")
    other = world.add("audit", endpoint="keyed")
    dropped = world.add(status=EventStatus.FILTERED, filtered_by="event_types")
    world.fail(other, "audit")

    def found(*args: str) -> set[str]:
        return set(ids(world.dispatchd("events", "--json", *args)))

    assert found() == {now.id, old.id, other.id, dropped.id}
    assert found("--endpoint", "keyed") == {other.id}
    assert found("--event-type", "closed") == {old.id}
    assert found("--status", "filtered") == {dropped.id}
    assert found("--destination", "crm") == {now.id}
    assert found("--delivery", "failed") == {other.id}
    assert found("--destination", "crm", "--delivery", "failed") == set()
    assert found("--since", "24h") == {now.id, other.id, dropped.id}
    assert found("--since", "2023-11-14T00:00:00Z") == {now.id, old.id, other.id, dropped.id}
    assert found("--since", "2999-01-01") == set()
    assert found("--before", other.id) == {now.id, old.id}


def test_pages_with_limit_and_before(world):
    events = [world.add() for _ in range(3)]
    ran = world.dispatchd("events", "--limit", 2)
    assert f"--before {events[1].id}" in ran.err
    assert events[0].id not in ran.out
    rest = world.dispatchd("events", "--json", "--before", events[1].id)
    assert ids(rest) == [events[0].id]


def test_held_is_a_status_of_its_own(world):
    event = world.add("gone")
    world.lanes("gone")
    world.lanes("crm")
    assert ids(world.dispatchd("events", "--json", "--delivery", "held")) == [event.id]
    assert "gone held" in world.dispatchd("events").out


def test_no_events_is_no_error(world):
    world.store(lambda store: store.stats(0))
    ran = world.dispatchd("events", "--endpoint", "my-slug", "--destination", "crm")
    assert (ran.code, ran.out) == (0, "No events.\n")


@pytest.mark.parametrize(
    ("option", "slip", "meant"),
    [("--endpoint", "my-slag", "my-slug"), ("--destination", "cmr", "crm")],
)
def test_a_name_that_nothing_has_is_a_usage_error(world, option, slip, meant):
    world.add("crm")
    ran = world.dispatchd("events", option, slip)
    assert (ran.code, ran.out) == (2, "")
    assert f"did you mean '{meant}'?" in ran.err


def test_a_name_that_left_the_config_is_known_by_its_events(world):
    world.add("gone", endpoint="left")
    for option, name in (("--endpoint", "left"), ("--destination", "gone")):
        ran = world.dispatchd("events", option, name, "--since", "2999-01-01")
        assert (ran.code, ran.out) == (0, "No events.\n")


@pytest.mark.parametrize(
    "args",
    [
        ("--before", "nonsense"),
        ("--since", "yesterday-ish"),
        ("--since", "10000-01-01"),
        ("--limit", "0"),
        ("--status", "queued"),
        ("--delivery", "received"),
    ],
)
def test_malformed_options_are_usage_errors(world, args):
    assert world.dispatchd("events", *args).code == 2


def test_a_huge_duration_reaches_back_to_the_beginning(world):
    event = world.add()
    assert ids(world.dispatchd("events", "--json", "--since", "999999999d")) == [event.id]


def test_a_missing_database_is_said_and_not_created(world):
    ran = world.dispatchd("events")
    assert ran.code == 1
    assert "there is no database" in ran.err
    assert "dispatchd serve" in ran.err
    assert list(world.directory.iterdir()) == [world.config]


def test_an_empty_or_foreign_file_is_refused_untouched(world):
    world.database.touch()
    assert "is empty" in world.dispatchd("events").err
    assert world.database.stat().st_size == 0
    world.database.write_bytes(b"not a database" * 100)
    ran = world.dispatchd("events")
    assert ran.code == 1
    assert "not a database" in ran.err


def test_a_missing_config_is_exit_2(world):
    assert world.dispatchd("events", "--config", world.directory / "none.yaml").code == 2


def test_senders_cannot_command_the_terminal(world):
    world.add("crm", event_type=EVIL, endpoint="my-slug")
    for args in ((), ("--json",)):
        ran = world.dispatchd("events", *args)
        assert ran.code == 0
        assert all(c.isprintable() or c == "\n" for c in ran.out)
    assert r"\x1b[2J" in world.dispatchd("events").out


def test_a_pipe_gets_whole_plain_lines(world):
    long_type = "t" * 150
    world.add("crm", "audit", event_type=long_type)
    _, line = world.dispatchd("events").out.splitlines()
    assert long_type in line
    assert line.endswith("2 queued")


def test_a_terminal_of_80_columns_has_a_line_an_event(world):
    first = world.add("crm", "audit", event_type="pull_request_review_comment.created" * 3)
    second = world.add("crm")
    world.deliver(first, "audit")
    world.fail(first, "crm")
    header, *lines = world.on_terminal("events", columns=80)
    assert max(map(len, [header, *lines])) <= 80
    shown = [line.split()[0] for line in lines]
    assert len(shown) == 2
    assert first.id.startswith(shown[1])
    assert second.id.startswith(shown[0])
    assert "crm failed" in lines[1]
    assert world.dispatchd("show", shown[1]).out.split()[1] == first.id


def test_a_wide_terminal_shows_whole_ids(world):
    event = world.add("crm")
    assert any(event.id in line for line in world.on_terminal("events", columns=120))


@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_failures_are_in_colour_unless_colours_are_unwanted(world, environ, coloured):
    world.fail(world.add("crm"), "crm")
    world.add("crm")
    shown = world.raw_on_terminal("events", columns=80, environ=environ)
    assert ("\x1b[31m" in shown) is coloured
    assert ("\x1b[" in shown) is coloured
    assert shown.count("\x1b[31m") <= 1


def test_a_locale_without_the_characters_is_no_traceback(world):
    world.add("crm", event_type="漢字")
    ran = subprocess.run(
        [sys.executable, "-m", "dispatchd", "events", "--config", world.config],
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=True,
    )
    assert rb"\u6f22\u5b57" in ran.stdout


def test_a_reader_that_leaves_is_no_traceback(world, process):
    world.add("crm")
    running = process("events", "--config", world.config)
    running.stdout.close()
    running.wait()
    assert b"Traceback" not in running.stderr.read()


def test_search_looks_into_types_and_bodies(world):
    world.add("crm", event_type="other")
    found = world.add("crm", event_type="other", body=b'{"order": "A-17"}')
    typed = world.add("crm", event_type="order.A-17")
    listed = world.dispatchd("events", "--search", "A-17", "--json").json()
    assert [event["event_id"] for event in listed] == [typed.id, found.id]
