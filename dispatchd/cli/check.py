"""`dispatchd check`: every problem in the config, or its JSON Schema."""

import sys
from typing import TYPE_CHECKING, BinaryIO

import click
from click.core import ParameterSource

from dispatchd.cli.options import config_option
from dispatchd.cli.text import plural, say, to_json
from dispatchd.shapes.told import CheckFields, problems_fields

if TYPE_CHECKING:
    from pathlib import Path

    from dispatchd.config import Config, Problem


STDIN = "-"


@click.command()
@click.argument("file", type=click.Path(allow_dash=True), required=False)
@config_option
@click.option(
    "--strict",
    is_flag=True,
    help="Mind warnings, too, and secrets that stand in the file: exit 2.",
)
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
    file: str | None,
    config_path: str | None,
    strict: bool,
    skip_references: bool,
    schema: bool,
    as_json: bool,
) -> None:
    """Check the config: every problem at once, each with its file, line and key.

    The config is FILE, or standard input for `-`, else the one that every command finds. Exit
    code 0 when it can be used, 2 when it cannot. Nothing is started or written. With --strict,
    whatever is only warned of is a problem, and so is a secret in the file itself. With
    --skip-references, variables and files that only the daemon can read need not be there.

    \b
    Example:
      dispatchd check config.example.yaml
      dispatchd check --strict
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
    if file is not None and ctx.get_parameter_source("config_path") is ParameterSource.COMMANDLINE:
        raise click.UsageError("Name the config as FILE or with --config: one of the two.")
    if strict and skip_references:
        raise click.UsageError("--strict judges what references give; --skip-references does not.")
    name = "standard input"
    source: Path | BinaryIO = sys.stdin.buffer
    try:
        if file != STDIN:
            source = find_config(file or config_path)
            name = str(source)
        if skip_references:
            check_without_references(source)
            _good(name, "what its references give was not looked at", [], as_json=as_json)
            return
        config = load(source, strict=strict)
    except ConfigProblems as error:
        _report(error.problems, as_json=as_json)
        ctx.exit(error.exit_code)
    _good(name, _summary(config), config.warnings(), as_json=as_json)


def _good(name: str, summary: str, warnings: list[str], *, as_json: bool) -> None:
    if as_json:
        told: CheckFields = {"ok": True, "problems": [], "warnings": warnings}
        click.echo(to_json(told))
        return
    say(f"{name} is good: {summary}")
    for warning in warnings:
        say(f"warning: {warning}", err=True)


def _report(problems: "list[Problem]", *, as_json: bool) -> None:
    if as_json:
        click.echo(to_json(problems_fields(problems)))
        return
    for problem in problems:
        say(str(problem), err=True)


def _summary(config: "Config") -> str:
    endpoints = plural(len(config.endpoints), "endpoint")
    return f"{endpoints}, {plural(len(config.destinations), 'destination')}"
