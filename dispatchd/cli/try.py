"""`dispatchd try`: how a sender is set up, as a config to start from."""

from typing import Any

import click

from dispatchd.cli import completing
from dispatchd.cli.options import json_option, unknown
from dispatchd.cli.text import say_long, to_json


@click.command()
@click.argument("provider", required=False, shell_complete=completing.provider)
@json_option
def command(provider: str | None, *, as_json: bool) -> None:
    """Print a config to start from for PROVIDER, and how to set that sender up.

    It says where in the sender's own settings each value is found, what is answered before the
    first event, what the proof covers, and which command sends a signed test. All but the
    config are comments, so that the output is a config file. Without PROVIDER, list all.

    \b
    Example:
      dispatchd try
      dispatchd try github > config.yaml
    """  # noqa: D301 - click reads the backspace itself
    from dispatchd.hints import GROUPS, HINTS  # noqa: PLC0415 - not for --help
    from dispatchd.hints.telling import commented, fields  # noqa: PLC0415 - likewise

    if provider is None:
        if as_json:
            click.echo(to_json([_row(name, hint.title) for name, hint in HINTS.items()]))
            return
        wide = max(map(len, HINTS)) + 2
        for group, hints in GROUPS.items():
            click.echo(f"{group}:")
            for name, hint in hints.items():
                click.echo(f"  {name:<{wide}}{hint.title}")
            click.echo()
        click.echo("`dispatchd try NAME` prints a config for one, and how to set it up.")
        return
    if provider not in HINTS:
        raise click.BadParameter(unknown("provider", provider, HINTS), param_hint="PROVIDER")
    if as_json:
        click.echo(to_json(fields(provider)))
    else:
        say_long("\n".join(commented(provider)))


def _row(name: str, title: str) -> dict[str, Any]:
    return {"provider": name, "title": title}
