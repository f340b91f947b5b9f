"""`dispatchd tail` as a process of its own, beside a database that others write to."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time

import pytest
from nouns import an_attempt, an_event
from patience import HANG_S

from dispatchd.model import Delivered, EventStatus

BEGINNING = "1970-01-01T00:00:00Z"
COLOUR = "\x1b["


class Tail:
    """A running tail: `line()` waits for its next one."""

    def __init__(self, running: subprocess.Popen) -> None:
        self.running = running

    def line(self) -> str:
        assert self.running.stdout is not None
        return self.running.stdout.readline().decode().rstrip("\n")

    def lines(self, count: int) -> list[str]:
        return [self.line() for _ in range(count)]

    def stop(self, number: int = signal.SIGINT) -> tuple[str, str]:
        """End it; return what it had not been asked for yet, and what it complained of."""
        self.running.send_signal(number)
        out, err = self.running.communicate(timeout=HANG_S)
        assert self.running.returncode == 0, err
        return out.decode(), err.decode()


@pytest.fixture
def tail(world, process):
    """Start one from the beginning; it has printed a first event, so that it runs."""
    world.lanes("crm", "audit")

    def start(*args: object) -> Tail:
        first = world.add("crm", event_type="first")
        one = Tail(process("tail", "--since", BEGINNING, "--config", world.config, *args))
        assert first.id in one.line()
        return one

    return start


def test_what_was_delivered_before_it_was_read_is_told_of(world, tail):
    running = tail()

    async def at_once(store):
        event = an_event()
        (delivery,) = await store.add_event(event, ["crm"], claim=["crm"])
        await store.record(delivery, an_attempt(delivery), Delivered())
        return event

    event = world.store(at_once)
    assert event.id in running.line()
    assert f"crm success  200 in 2 ms  {event.id}" in running.line()
    running.stop()


def test_events_and_what_becomes_of_them_line_by_line(world, tail):
    running = tail()
    event = world.add("crm", "audit", event_type="issues.opened", body=b"x" * 2000)
    assert re.fullmatch(
        rf"\d\d:\d\d:\d\d\.\d\d\d  my-slug  issues.opened  2.0 KiB  -> audit, crm  {event.id}",
        running.line(),
    )
    world.retry(event, "crm", event.received_ms + 60_000)
    assert "    crm retrying  connection_refused in 12 ms: refused  again at " in running.line()
    world.deliver(event, "audit")
    assert "    audit success  200 in 12 ms" in running.line()
    world.fail(event, "crm")
    line = running.line()
    assert "    crm failed  500 in 12 ms  attempt 2" in line
    assert line.endswith(event.id)
    filtered = world.add(status=EventStatus.FILTERED)
    assert running.line().endswith(f"19 B  filtered  {filtered.id}")
    assert running.stop() == ("", "")


def test_json_has_the_shapes_of_the_stream(world, tail):
    running = tail("--json")
    event = world.add("crm")
    told = json.loads(running.line())
    (listed,) = [
        one for one in world.dispatchd("events", "--json").json() if one["event_id"] == event.id
    ]
    assert told == {"kind": "event", **listed}
    world.deliver(event, "crm")
    told = json.loads(running.line())
    story = world.dispatchd("show", event.id, "--json").json()
    assert told.pop("attempt") == story["deliveries"][0]["attempts"][0]
    assert told == {
        "kind": "attempt",
        "event_id": event.id,
        "endpoint": "my-slug",
        "event_type": "opened",
        "destination": "crm",
        "delivery": "success",
        "due": None,
    }
    assert running.stop(signal.SIGTERM) == ("", "")


def begun(world, process, *args: object) -> Tail:
    """Start one with filters; it has printed a failed event of before, and how it failed."""
    event = world.add("crm", endpoint="my-slug", event_type="wanted", body=b"needle")
    world.fail(event, "crm")
    one = Tail(process("tail", "--since", BEGINNING, "--config", world.config, *args))
    assert event.id in one.line()
    assert f"crm failed  500 in 12 ms  {event.id}" in one.line()
    return one


@pytest.mark.parametrize(
    "args",
    [
        ("--endpoint", "my-slug"),
        ("--event-type", "wanted"),
        ("--status", "received"),
        ("--destination", "crm"),
        ("--search", "needle"),
    ],
)
def test_filters(world, process, args):
    world.lanes("crm", "audit")
    running = begun(world, process, *args)
    world.add(endpoint="keyed", event_type="other", status=EventStatus.FILTERED, body=b"x")
    event = world.add("crm", event_type="wanted", body=b"a needle")
    assert event.id in running.line()
    world.deliver(event, "crm")
    assert "crm success" in running.line()
    assert running.stop() == ("", "")


def test_failures_alone_are_told_whenever_their_event_came(world, process):
    """Also of an event that was owed before it began, and that it did not print."""
    world.lanes("crm", "audit")
    old = world.add("crm", "audit")
    world.retry(old, "crm", old.received_ms + 60_000)
    running = begun(world, process, "--delivery", "failed")
    new = world.add("crm", "audit")
    world.deliver(new, "audit")
    world.retry(new, "crm", new.received_ms + 60_000)
    world.fail(new, "crm")
    line = running.line()
    if "audit, crm" in line:  # it was read when it had failed already
        line = running.line()
    assert f"crm failed  500 in 12 ms  attempt 2  {new.id}" in line
    world.fail(old, "crm")
    assert f"crm failed  500 in 12 ms  attempt 2  {old.id}" in running.line()
    assert running.stop() == ("", "")


def test_what_is_owed_already_is_looked_after(world, process):
    world.lanes("crm")
    old = world.add("crm")
    world.retry(old, "crm", old.received_ms + 60_000)
    running = Tail(process("tail", "--config", world.config))
    # It cannot be seen to have begun: attempts are made until it tells of one.
    os.set_blocking(running.running.stdout.fileno(), False)
    shown = b""
    ends = time.monotonic() + HANG_S
    while not shown and time.monotonic() < ends:
        world.retry(old, "crm", old.received_ms + 60_000)
        shown = running.running.stdout.read() or b""
    assert b"crm retrying  connection_refused" in shown
    assert b"attempt 1 " not in shown
    running.stop()


def test_senders_command_no_terminal(world, tail):
    running = tail()
    world.add("crm", event_type="\x1b[31m\u202eevil\nline")
    assert "\\x1b[31m\\u202eevil\\x0aline"[:20] in running.line()
    running.stop()


def of_a_terminal(world, **environ: str) -> str:
    """Run one on a pseudo terminal until it has printed a line."""
    main_fd, terminal = pty.openpty()
    own = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    running = subprocess.Popen(
        [sys.executable, "-m", "dispatchd", "tail", "--since", BEGINNING, "--config", world.config],
        stdout=terminal,
        stderr=terminal,
        env={**own, "TERM": "xterm", **environ},
    )
    os.close(terminal)
    shown = b""
    while b"\n" not in shown:
        shown += os.read(main_fd, 65536)
    running.send_signal(signal.SIGINT)
    assert running.wait(HANG_S) == 0
    os.close(main_fd)
    return shown.decode()


def test_colours_are_for_terminals_and_no_color_is_respected(world, tail):
    assert COLOUR not in tail("--json").stop()[0]
    assert COLOUR in of_a_terminal(world)
    assert COLOUR not in of_a_terminal(world, NO_COLOR="1")


def test_whoever_reads_it_may_go(world, tail):
    running = tail()
    running.running.stdout.close()
    ends = time.monotonic() + HANG_S
    while running.running.poll() is None and time.monotonic() < ends:
        world.add("crm")
    assert (running.running.wait(HANG_S), running.running.stderr.read()) == (0, b"")


def test_what_is_wrong_is_said(world):
    ran = world.dispatchd("tail")
    assert (ran.code, "there is no database" in ran.err) == (1, True)
    world.add()
    for args, said in (
        (("--endpoint", "my-slag"), "did you mean 'my-slug'"),
        (("--destination", "crn"), "did you mean 'crm'"),
        (("--token-file", "x"), "--token-file goes with --url"),
        (("--url", "hooks.example.com"), "is no address of an admin listener"),
        (("--url", "http://a@hooks.example.com"), "is no address of an admin listener"),
        (("--url", "http://h:99999"), "is no address of an admin listener"),
        (("--since", "x"), "is no time"),
    ):
        ran = world.dispatchd("tail", *args)
        assert (ran.code, said in ran.err) == (2, True), ran.err
