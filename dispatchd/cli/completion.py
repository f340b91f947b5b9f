"""`dispatchd completion`: what a shell needs to complete commands, options and names."""

from typing import Final

import click
from click.shell_completion import get_completion_class

PROGRAM: Final = "dispatchd"
VARIABLE: Final = "_DISPATCHD_COMPLETE"  # by which the script asks the program


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print a script that has SHELL complete commands, options, endpoints and destinations.

    Names come from the config that a command would read.

    \b
    Example:
      eval "$(dispatchd completion bash)"
      dispatchd completion zsh > ~/.zfunc/_dispatchd
      dispatchd completion fish > ~/.config/fish/completions/dispatchd.fish
    """  # noqa: D301 - click reads the backspace itself
    from dispatchd.cli import cli  # noqa: PLC0415 - it imports us

    kind = get_completion_class(shell)
    if kind is None:  # pragma: no cover - click has had all three since 8.0
        raise click.UsageError(f"There is no completion for {shell}.")
    completing = kind(cli, {}, PROGRAM, VARIABLE)
    # Not `source()`, which runs a bash to see its version: the script may be for another machine.
    click.echo(completing.source_template % completing.source_vars())
