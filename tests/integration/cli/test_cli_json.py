"""What `--json` prints is what docs/json.md says: the shapes are promised, and so checked."""

import json
from typing import Any, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from dispatchd.shapes.commands import COMMANDS


def deviations(value: Any, kind: Any, at: str = "") -> list[str]:
    """Return where `value` is not as `kind` has it: fields too many, too few, of other types."""
    if is_typeddict(kind):
        if not isinstance(value, dict):
            return [f"{at} is no object"]
        hints = get_type_hints(kind, include_extras=True)
        needed = {name for name, hint in hints.items() if get_origin(hint) is not NotRequired}
        found = [f"{at}.{name} is not promised" for name in value.keys() - hints.keys()]
        found += [f"{at}.{name} is missing" for name in needed - value.keys()]
        plain = get_type_hints(kind)
        for name in value.keys() & hints.keys():
            found += deviations(value[name], plain[name], f"{at}.{name}")
        return found
    origin, inside = get_origin(kind), get_args(kind)
    if kind is Any:
        return []
    if origin is list and isinstance(value, list):
        return [one for item in value for one in deviations(item, inside[0], f"{at}[]")]
    if origin is dict and isinstance(value, dict):
        return [one for item in value.values() for one in deviations(item, inside[1], f"{at}.*")]
    if inside and origin not in (list, dict):
        return [] if any(not deviations(value, one, at) for one in inside) else [f"{at} is {value}"]
    if kind is float and isinstance(value, int):
        return []
    return [] if type(value) is kind else [f"{at} is {value!r}, not {kind}"]


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
    ("check", 0, ("check",)),
    ("destinations", 0, ("destinations",)),
    ("events", 0, ("events",)),
    ("explain", 0, ("explain", "latest")),
    ("explain", 0, ("explain", "my-slug", "b.json")),
    ("jobs", 0, ("jobs",)),
    ("key new", 0, ("key", "new", "a")),
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
        assert deviations(one, told.shape) == []


def test_each_line_of_an_export_is_what_is_promised(filled):
    lines = filled.dispatchd("export").out.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert deviations(json.loads(line), COMMANDS["export"][0].shape) == []
