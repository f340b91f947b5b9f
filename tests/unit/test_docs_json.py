"""docs/json.md tells what `--json` prints, and that stays what it was."""

import json

import click
from json_page import KEPT, PAGE, fields, page, shapes

from dispatchd.cli import cli
from dispatchd.shapes.commands import COMMANDS, FREE, VERSION


def with_json(group: click.Group, *path: str):
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        if isinstance(command, click.Group):
            yield from with_json(command, *path, name)
        if any("--json" in param.opts for param in command.params):
            yield " ".join((*path, name))


def test_every_command_that_prints_json_is_told_of() -> None:
    """A new one is a row of dispatchd/shapes/commands.py."""
    assert set(with_json(cli)) == {*COMMANDS, *FREE} - {"export"}


def test_the_page_is_as_it_would_be_written() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python tests/json_page.py"


def test_no_field_is_lost_within_a_version() -> None:
    """What is only added is kept by python tests/json_page.py; else VERSION goes up."""
    was = json.loads(KEPT.read_text(encoding="utf-8"))
    now = {name: fields(shape) for name, shape in shapes().items()}
    for name, kept in was.items():
        assert name in now, f"{name} of version {VERSION} is gone"
        lost = {field: kind for field, kind in kept.items() if now[name].get(field) != kind}
        assert not lost, f"{name} of version {VERSION} has lost {lost}"
    assert was == now, "run python tests/json_page.py"
