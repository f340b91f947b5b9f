"""`dispatchd reload`: have the running daemon take up a changed config."""

from typing import Any, Final

import click

from dispatchd.cli.options import config_option, json_option
from dispatchd.cli.storage import load_outline
from dispatchd.cli.text import say, to_json
from dispatchd.errors import DispatchdError

REFUSED: Final = 2


@click.command()
@config_option
@json_option
@click.pass_context
def command(ctx: click.Context, config_path: str | None, *, as_json: bool) -> None:
    """Have the running daemon read its config anew, and say what has changed.

    It is taken up whole, without dropping a connection or an exchange under way, or not at all:
    then every problem is printed, the exit code is 2, and the daemon goes on as it was. The
    config says which daemon that is, by storage.url; it reads the file it was started with.

    \b
    Example:
      dispatchd reload
    """  # noqa: D301 - click reads the backspace itself
    from dispatchd.control import NobodyThere, ask, control_path  # noqa: PLC0415 - not for --help

    url = load_outline(config_path).storage.url
    try:
        outcome = ask(control_path(url), "reload")
    except NobodyThere as error:
        raise DispatchdError(
            f"no dispatchd is running on {url}: is it up, is this its config,"
            f" and is storage.url what it was when it started? ({error})"
        ) from None
    if "error" in outcome:
        raise DispatchdError(outcome["error"])
    if as_json:
        click.echo(to_json(outcome))
    else:
        _print(outcome)
    if not outcome["ok"]:
        ctx.exit(REFUSED)


def _print(outcome: dict[str, Any]) -> None:
    if not outcome["ok"]:
        for problem in outcome["problems"]:
            say(problem, err=True)
        say("Nothing has changed: the daemon goes on with the config it had.", err=True)
        return
    for change in outcome["changes"]:
        name = f"{change['kind']} {change['name']}" if change["kind"] else change["name"]
        keys = f": {', '.join(change['keys'])}" if change["keys"] else ""
        say(f"{change['change']} {name}{keys}")
    if not outcome["changes"]:
        say("Nothing has changed: the config says what it said before.")
    for warning in outcome["warnings"]:
        say(f"warning: {warning}", err=True)
