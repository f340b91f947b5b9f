"""`dispatchd doctor`: what is well, and what to do about the rest."""

import os
import sys
import textwrap
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from dispatchd.cli.options import config_option, json_option
from dispatchd.cli.tables import width
from dispatchd.cli.text import plural, to_json
from dispatchd.errors import DispatchdError
from dispatchd.shapes.told import problems_fields
from dispatchd.strangers import printable
from dispatchd.terminal import styled, wants_colour

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dispatchd.doctor import Finding, Patient

QUICK_S: Final = 10.0  # for the database, unless --full
MARK: Final = 5  # columns of the verdict
LABEL: Final = 12  # and of the check's name; a longer one has a line of its own
STYLE: Final = {"act": "red", "note": "yellow"}


@click.command()
@config_option
@click.option("--full", is_flag=True, help="Check all of the database, however long it takes.")
@json_option
@click.pass_context
def command(ctx: click.Context, *, config_path: str | None, full: bool, as_json: bool) -> None:
    """Look at an installation, with its daemon up or down: each line is ok, or says what to do.

    The config, permissions, the database, the disk and its fsync, the clock, the listeners, the
    limits, and each destination as far as the TLS handshake: nothing is sent to them. Run it as
    the daemon's user, or as root. Exit code 0 when all is well, 1 when something needs action
    (a `note` does not), 2 when the config cannot be used.

    \b
    Example:
      dispatchd doctor
    """  # noqa: D301 - click reads the backspace itself
    from dispatchd.config import ConfigProblems  # noqa: PLC0415 - not for --help
    from dispatchd.doctor import doctor_fields, examine  # noqa: PLC0415 - likewise

    try:
        patient = _patient(config_path, full=full)
    except ConfigProblems as error:
        if not as_json:
            raise
        click.echo(to_json(problems_fields(error.problems)))
        ctx.exit(error.exit_code)
    found = []
    for finding in examine(patient):
        found.append(finding)
        if not as_json:
            _print(finding)
    counts = Counter(finding.verdict.value for finding in found)
    if as_json:
        click.echo(to_json(doctor_fields(found)))
    else:
        click.echo(_summary(counts))
    if counts["act"]:
        ctx.exit(1)


def _patient(config_path: str | None, *, full: bool) -> "Patient":
    """Read the config and look at the database. Raises ConfigProblems."""
    from dispatchd.config import find_config, load, load_outline  # noqa: PLC0415 - not for --help
    from dispatchd.doctor import Patient  # noqa: PLC0415 - likewise
    from dispatchd.store import check_up, served_by  # noqa: PLC0415 - likewise

    source = find_config(config_path)
    pid = served_by(load_outline(source).storage.url)
    config = load(source, _environ(pid))
    url = config.storage.url
    database = Path(os.path.realpath(config.storage.path))
    checkup = trouble = None
    if database.exists() and database.stat().st_size:
        try:
            checkup = check_up(url, None if full else QUICK_S)
        except DispatchdError as error:
            trouble = str(error)
    return Patient(config, source, database, checkup, pid, trouble)


def _environ(pid: int | None) -> dict[str, str]:
    """Return our environment; what it lacks is the running daemon's, where that may be read."""
    environ = dict(os.environ)
    if pid:
        with suppress(OSError):
            for pair in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                name, equals, value = os.fsdecode(pair).partition("=")
                if equals:
                    environ.setdefault(name, value)
    return environ


def _print(finding: "Finding") -> None:
    colour = wants_colour(os.environ, is_tty=sys.stdout.isatty())
    verdict = finding.verdict.value
    mark = f"{verdict:<{MARK}}"
    style = STYLE.get(verdict)
    if style is not None:
        mark = styled(mark, style, colour=colour)
    first, *rest = _lines(finding)
    click.echo(f"{mark}{first}", color=colour)
    for line in rest:
        click.echo(f"{' ' * MARK}{line}".rstrip(), color=colour)


def _lines(finding: "Finding") -> "Iterator[str]":
    """Yield the lines of a finding, without its verdict."""
    label = printable(finding.name or finding.check)
    said = _wrapped(printable(finding.said))
    if len(label) < LABEL:
        yield f"{label:<{LABEL}}{said[0]}"
        said = said[1:]
    else:
        yield label
    for line in said:
        yield f"{' ' * LABEL}{line}"
    for n, line in enumerate(_wrapped(printable(finding.todo or ""), indent=3)):
        yield f"{' ' * LABEL}{'-> ' if n == 0 else '   '}{line}"


def _wrapped(text: str, indent: int = 0) -> list[str]:
    """Break a text to the terminal; in a pipe it stays whole."""
    columns = width()
    if columns is None:
        return [text] if text else []
    room = max(columns - MARK - LABEL - indent, 20)
    return textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)


def _summary(counts: "Counter[str]") -> str:
    notes = f", {plural(counts['note'], 'note')}" if counts["note"] else ""
    if not counts["act"]:
        return f"All is well{notes}."
    return f"{plural(counts['act'], 'thing')} to do{notes}."
