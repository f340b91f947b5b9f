"""The `dispatchd` command. Each command is a module of its own, imported when it is used."""

import errno
import os
import sys
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING, Final

import click

from dispatchd import __version__
from dispatchd.cli.options import config_option, unknown
from dispatchd.errors import DispatchdError
from dispatchd.strangers import printable

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# name -> one line for the overview; `dispatchd.cli.<name>` holds `command`.
COMMANDS: Final = {
    "serve": "Run the daemon.",
    "reload": "Have the running daemon take up a changed config.",
    "check": "Check the config, or print its JSON Schema.",
    "init": "Write a starter config with generated secrets.",
    "try": "Print a config for a provider, and how to set it up.",
    "import": "Turn another program's config into one of dispatchd's.",
    "key": "Make API keys, and secrets to sign deliveries with.",
    "events": "List received events.",
    "export": "Print events as JSON Lines.",
    "tail": "Print events as they come, and what becomes of them.",
    "refused": "List refused requests, and why they were.",
    "show": "Tell one event's whole story.",
    "explain": "Explain why an event did, or did not, arrive.",
    "preview": "Show what a template says of a body.",
    "replay": "Deliver events again.",
    "jobs": "List replays, and end them.",
    "send": "Sign and post a test event.",
    "catch": "Run a small local receiver that prints what arrives.",
    "listen": "Bring a daemon's events to a local address as they come.",
    "destinations": "List every destination: its state, why, and what waits.",
    "pause": "Hold a destination by hand.",
    "resume": "End what holds a destination.",
    "alerts": "List alerts, and send a test alert.",
    "stats": "Count events and deliveries.",
    "prune": "Delete old events that owe nothing.",
    "backup": "Copy the database while it is in use.",
    "restore": "Put a backup in the database's place.",
    "doctor": "Look at an installation, and say what to do.",
    "completion": "Print what a shell needs to complete commands and names.",
    "man": "Print the manual page.",
}
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # of a file that output goes to
_MODULES: Final = {"import": "importing"}  # where a command's name can be no module's


class Group(click.Group):
    """A group of commands that suggests the nearest for a mistyped one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that `args` begin with."""
        name = args[0]
        if not ctx.resilient_parsing and name not in (known := self.list_commands(ctx)):
            if name.startswith("-"):
                ctx.fail(f"No such option {name!r}.")
            ctx.fail(f"There is {unknown('command', name, known)}")
        return super().resolve_command(ctx, args)


class LazyGroup(Group):
    """Imports a command's module only when it runs: `--help` and scripts stay fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the commands in the order they are learned."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - likewise
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(
            f"dispatchd.cli.{_MODULES.get(cmd_name, cmd_name)}"
        ).command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Complete a command without importing any."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - for shells alone

        known = [CompletionItem(name, help=text) for name, text in COMMANDS.items()]
        found = [item for item in known if item.value.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - likewise
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@config_option
@click.option("--no-pager", is_flag=True, help="Print long output on a terminal as it is.")
@click.version_option(__version__, prog_name="dispatchd")
def cli(**_: object) -> None:
    """Receive webhooks, keep them, deliver them.

    --config may stand here, or behind the command.

    \b
    Example:
      dispatchd serve --config config.example.yaml
    """  # noqa: D301 - click reads the backspace itself


def main() -> None:
    """Run the command line: exit 0, 1 (runtime) or 2 (usage and config), never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a locale without our characters is no surprise
            stream.reconfigure(errors="backslashreplace")
    try:
        cli(prog_name="dispatchd")
    except DispatchdError as error:
        # What another machine said may be part of it.
        click.echo(f"dispatchd: {printable(str(error), lines=True)}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the last flush would fail again
        click.echo(f"dispatchd: cannot write: {error.strerror}", err=True)
        sys.exit(1)
