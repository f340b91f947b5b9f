"""Every command explains itself, quickly and with an example."""

import subprocess
import sys

import click
import pytest

from dispatchd.cli import COMMANDS, cli

PRINTS_DATA = (
    "events",
    "show",
    "replay",
    "send",
    "catch",
    "destinations",
    "stats",
    "prune",
    "backup",
)


def tree(command: click.Command, *path: str):
    """Yield every command below `command` with its path."""
    yield path, command
    if isinstance(command, click.Group):
        ctx = click.Context(command)
        for name in command.list_commands(ctx):
            yield from tree(command.get_command(ctx, name), *path, name)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_an_example(world, name):
    ran = world.dispatchd(name, "--help")
    assert ran.code == 0
    assert "\n  Example:\n" in ran.out
    assert f"\n    dispatchd {name}" in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80


@pytest.mark.parametrize("name", PRINTS_DATA)
def test_json_wherever_data_is_printed(name):
    command = cli.get_command(click.Context(cli), name)
    assert "--json" in [option for param in command.params for option in param.opts]


def test_every_option_has_help():
    for path, command in tree(cli):
        for param in command.params:
            if isinstance(param, click.Option):
                assert param.help, f"{' '.join(path)} {param.name}"
                assert param.help.endswith("."), f"{' '.join(path)} {param.name}"


def test_unknown_commands_and_options_are_usage_errors(world):
    assert world.dispatchd("evnts").code == 2
    assert world.dispatchd("events", "--no-such").code == 2


def test_help_imports_nothing_heavy():
    """The first impression is quick: no server, no store, no table drawing."""
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from dispatchd.cli import cli\n"
        f"for name in {PRINTS_DATA!r}:\n"
        "    assert CliRunner().invoke(cli, [name, '--help']).exit_code == 0\n"
        "print(*sorted({'aiohttp', 'aiosqlite', 'rich', 'pydantic'} & set(sys.modules)))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""
