"""`dispatchd import`: another program's config as one of dispatchd's."""

from typing import TYPE_CHECKING

import click

from dispatchd.cli.text import say

if TYPE_CHECKING:
    from typing import BinaryIO


@click.group()
def command() -> None:
    """Turn another program's config into one of dispatchd's.

    \b
    Example:
      dispatchd import adnanh hooks.json > config.yaml
    """  # noqa: D301 - click reads the backspace itself


@command.command()
@click.argument("file", type=click.File("rb"))
def adnanh(*, file: "BinaryIO") -> None:
    """Print adnanh/webhook's hooks, FILE in JSON or YAML, as a config; - reads stdin.

    What has no equal is in comments. Secrets are not copied: the config refers to variables,
    which are named on stderr.

    \b
    Example:
      dispatchd import adnanh hooks.json > config.yaml
      dispatchd check --config config.yaml --skip-references
    """  # noqa: D301 - click reads the backspace itself
    from dispatchd.cli.adnanh import NotHooks, converted, read_hooks  # noqa: PLC0415 - not for help

    try:
        text = file.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotHooks("it is not UTF-8 text") from None
    made = converted(read_hooks(text))
    click.echo(made.yaml, nl=False)
    if made.needs:
        say("Set these before the daemon starts:", err=True)
    for name, purpose in made.needs.items():
        say(f"  {name}: {purpose}", err=True)
