"""docs/cli.md tells of every command and every option, and of none that is not there."""

import re
from pathlib import Path

import click
import pytest

from dispatchd.cli import cli

TEXT = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")


def documented() -> dict[str, set[str]]:
    """Return the options by command, as the sections and their tables have them."""
    sections = re.split(r"^## dispatchd ", TEXT, flags=re.MULTILINE)[1:]
    return {
        section.split("\n", 1)[0].strip(): set(
            re.findall(r"^\| `(--[a-z0-9-]+)", section, flags=re.MULTILINE)
        )
        for section in sections
    }


def leaves(group: click.Group, *path: str):
    """Yield every command that does something by itself, by its name in full."""
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        if isinstance(command, click.Group):
            yield from leaves(command, *path, name)
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield " ".join((*path, name)), command


def existing() -> dict[str, set[str]]:
    return {
        name: {
            option
            for param in command.params
            if isinstance(param, click.Option)
            for option in (*param.opts, *param.secondary_opts)
            if option.startswith("--")
        }
        for name, command in leaves(cli)
    }


def test_the_same_commands():
    assert set(documented()) == set(existing())


def test_the_same_options():
    assert documented() == existing()


@pytest.mark.parametrize("line", re.findall(r"^    dispatchd (.+)$", TEXT, flags=re.MULTILINE))
def test_examples_parse(line):
    name, *args = re.split(r" [>|] ", line)[0].split()
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    existing_file = str(Path(__file__))
    args = [existing_file if arg == "payload.json" else arg for arg in args]
    command.make_context(name, args).close()
