"""`dispatchd check`: every problem in the config, or its JSON Schema."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from dispatchd.cli.options import config_option
from dispatchd.cli.text import plural, say, to_json

if TYPE_CHECKING:
    from pathlib import Path

    from dispatchd.config import Config, Problem


@click.command()
@config_option
@click.option(
    "--skip-references",
    is_flag=True,
    help="Do not read what ${...} refers to, nor judge what it gives.",
)
@click.option("--schema", is_flag=True, help="Print the config's JSON Schema instead.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    config_path: str | None,
    skip_references: bool,
    schema: bool,
    as_json: bool,
) -> None:
    """Check the config: every problem at once, each with its file, line and key.

    Exit code 0 when it can be used, 2 when it cannot. Nothing is started or written. With
    --skip-references, variables and files that only the daemon can read need not be there.

    \b
    Example:
      dispatchd check --config config.example.yaml
      dispatchd check --schema > dispatchd.schema.json
    """  # noqa: D301 - click reads the backspace itself
    from dispatchd.config import (  # noqa: PLC0415 - not for --help
        ConfigProblems,
        check_without_references,
        find_config,
        load,
    )

    if schema:
        from dispatchd.config import json_schema  # noqa: PLC0415 - likewise

        click.echo(to_json(json_schema()))
        return
    try:
        path = find_config(config_path)
        if skip_references:
            check_without_references(path)
            _good(path, "what its references give was not looked at", [], as_json=as_json)
            return
        config = load(path)
    except ConfigProblems as error:
        _report(error.problems, as_json=as_json)
        ctx.exit(error.exit_code)
    _good(path, _summary(config), config.warnings(), as_json=as_json)


def _good(path: "Path", summary: str, warnings: list[str], *, as_json: bool) -> None:
    if as_json:
        click.echo(to_json({"ok": True, "problems": [], "warnings": warnings}))
        return
    say(f"{path} is good: {summary}")
    for warning in warnings:
        say(f"warning: {warning}", err=True)


def _report(problems: "list[Problem]", *, as_json: bool) -> None:
    if as_json:
        click.echo(to_json({"ok": False, "problems": [asdict(p) for p in problems]}))
        return
    for problem in problems:
        say(str(problem), err=True)


def _summary(config: "Config") -> str:
    endpoints = plural(len(config.endpoints), "endpoint")
    return f"{endpoints}, {plural(len(config.destinations), 'destination')}"
