"""Long output on a terminal goes through the pager that people have chosen, and nowhere else."""

import subprocess
import sys

import pytest

COUNT = 40


@pytest.fixture
def long(world):
    """A world whose listing is longer than a terminal, and a pager that says that it was there."""
    for _ in range(COUNT):
        world.add("crm")
    pager = world.directory / "pager"
    pager.write_text("#!/bin/sh\necho PAGER $LESS $*\ncat\n")
    pager.chmod(0o755)
    return world


def shown(world, *args, **environ):
    names = ("PAGER", "DISPATCHD_PAGER", "LESS")
    own = {"LINES": "24", **dict.fromkeys(names, ""), "PAGER": f"{world.directory}/pager"}
    own["LESS"] = "FRX"
    own.pop("DISPATCHD_PAGER")
    text = world.raw_on_terminal(*args, columns=80, environ={**own, **environ}, stdin="\n")
    return text.replace("\r\n", "\n")


def test_what_is_longer_than_the_terminal_is_paged(long):
    text = shown(long, "events")
    assert "PAGER FRX\n" in text
    assert text.count("opened") == COUNT


def test_its_own_pager_comes_first_with_its_arguments(long):
    text = shown(long, "events", DISPATCHD_PAGER=f"{long.directory}/pager -a 'b c'", PAGER="false")
    assert "PAGER FRX -a b c\n" in text


@pytest.mark.parametrize(
    ("before", "args", "environ"),
    [
        ((), ("events", "--limit", "5"), {}),
        ((), ("events", "--json"), {}),
        (("--no-pager",), ("events",), {}),
        ((), ("events",), {"DISPATCHD_PAGER": ""}),
        ((), ("events",), {"DISPATCHD_PAGER": "cat"}),
        ((), ("events",), {"DISPATCHD_PAGER": "no-such-pager"}),
        ((), ("events",), {"DISPATCHD_PAGER": "'"}),
        ((), ("events",), {"TERM": "dumb"}),
    ],
)
def test_else_it_is_printed(long, before, args, environ):
    text = shown(long, *before, *args, **environ)
    assert "PAGER" not in text
    assert text.count("opened") >= 5


def test_a_pager_that_is_left_early_is_no_error(long):
    pager = long.directory / "pager"
    pager.write_text("#!/bin/sh\nhead -1\n")
    assert "EVENT" in shown(long, "events")


def test_a_story_is_paged_too(world, long):
    event = long.add("crm", headers=tuple((f"X-{n}", "v") for n in range(60)))
    assert "PAGER" in shown(long, "show", event.id)


def test_in_a_pipe_there_is_none(long):
    command = [sys.executable, "-m", "dispatchd", "events", "--config", str(long.config)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.count("opened") == COUNT
