"""What `--json` prints is what docs/json.md says: the shapes are promised, and so checked."""

import json

import pytest
from promised import deviations, promised

from dispatchd.shapes.commands import COMMANDS


def test_deviations_are_found():
    (caught,) = COMMANDS["stats"]
    assert deviations({"since": 1}, caught.shape)


@pytest.fixture
def filled(world):
    """A world in which something of everything has happened."""
    world.lanes("crm", "audit", "held")
    done, bad = world.add("crm", "audit"), world.add("crm", body=b"\xff")
    world.deliver(done, "crm")
    world.fail(bad, "crm")
    world.retry(done, "audit", due_ms=2**41)
    world.dispatchd("pause", "audit", "--reason", "why")
    (world.directory / "b.json").write_text('{"action": "opened"}')
    text = world.config.read_text() + "templates: {t: {default: {title: '{{ body.action }}'}}}\n"
    world.config.write_text(text)
    return world


CALLS = [
    ("alerts", 0, ("alerts", "--all")),
    ("backup", 0, ("backup", "copy.db")),
    ("check", 0, ("check",)),
    ("destinations", 0, ("destinations",)),
    ("events", 0, ("events",)),
    ("explain", 0, ("explain", "latest")),
    ("explain", 0, ("explain", "my-slug", "b.json")),
    ("explain", 1, ("explain", "my-slug")),
    ("jobs", 0, ("jobs",)),
    ("key new", 0, ("key", "new", "a")),
    ("key new", 0, ("key", "new", "a", "--pull", "queue")),
    ("key signing", 0, ("key", "signing", "--ed25519")),
    ("preview", 0, ("preview", "t", "b.json")),
    ("prune", 0, ("prune",)),
    ("refused", 0, ("refused",)),
    ("replay", 0, ("replay", "latest")),
    ("replay", 1, ("replay", "latest", "--dry-run")),
    ("send", 0, ("send", "my-slug", "--dry-run")),
    ("show", 0, ("show", "latest")),
    ("stats", 0, ("stats",)),
    ("try", 0, ("try",)),
    ("try", 1, ("try", "github")),
]


@pytest.mark.parametrize(("name", "which", "args"), CALLS, ids=[" ".join(c[2]) for c in CALLS])
def test_what_is_printed_is_what_is_promised(filled, monkeypatch, name, which, args):
    monkeypatch.chdir(filled.directory)
    if name == "jobs":
        filled.dispatchd("replay", "latest")
    told = COMMANDS[name][which]
    printed = filled.dispatchd(*args, "--json").json()
    if told.listed:
        assert isinstance(printed, list)
        assert printed or name in ("alerts", "refused")
    for one in printed if told.listed else [printed]:
        assert promised(name, one, which)


def test_each_line_of_an_export_is_what_is_promised(filled):
    lines = filled.dispatchd("export").out.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert promised("export", json.loads(line))


def test_what_is_wrong_with_a_config_is_told_alike(filled):
    filled.config.write_text("serverr: {}\nendpoints: {a: }\n")
    for name, which in (("check", 0), ("doctor", 1)):
        ran = filled.dispatchd(name, "--json")
        assert ran.code == 2
        told = json.loads(ran.out)
        assert promised(name, told, which)
        assert not told["ok"]
        assert told["problems"]
