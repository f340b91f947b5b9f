"""`dispatchd man`: the manual page, made of the commands themselves."""

import inspect
import re
from collections.abc import Iterator
from typing import Final

import click

from dispatchd import __version__

PREFORMATTED: Final = "\b"  # begins a paragraph that click leaves as it is
_CODE: Final = re.compile(r"`([^`]+)`")
ENVIRONMENT: Final = {
    "DISPATCHD_CONFIG": "The config file, where --config names none.",
    "DISPATCHD_API_KEY": "The API key that send uses.",
    "NO_COLOR": "No colours, whatever else is said.",
    "FORCE_COLOR": "Colours also where the output is no terminal; CLICOLOR_FORCE is the same.",
    "CLICOLOR": "0: no colours, unless they are forced.",
    "DISPATCHD_PAGER": "What shows long output on a terminal, else PAGER, else less; empty: none.",
}
FILES: Final = {
    "./config.yaml": "The config, unless one is named.",
    "/etc/dispatchd/config.yaml": "The config where there is none in the working directory.",
}
EXIT: Final = {
    "0": "It went well.",
    "1": "Something is not there or does not work.",
    "2": "The command line or the config is wrong, or many would be touched without --yes.",
}


@click.command()
def command() -> None:
    """Print the manual page.

    \b
    Example:
      dispatchd man | man -l -
      dispatchd man > ~/.local/share/man/man1/dispatchd.1
    """  # noqa: D301 - click reads the backspace itself
    from dispatchd.cli import cli  # noqa: PLC0415 - it imports us

    click.echo("\n".join(page(cli)))


def page(group: click.Group) -> Iterator[str]:
    """Yield the lines of the page, in the language of man(7)."""
    yield f'.TH DISPATCHD 1 "" "dispatchd {__version__}" "User Commands"'
    yield ".nh"  # what is to be typed is not parted
    yield ".SH NAME"
    yield r"dispatchd \- a durable webhook gateway in one process"
    yield ".SH SYNOPSIS"
    yield r".B dispatchd"
    yield r"[\fB\-\-config\fR \fIFILE\fR] \fICOMMAND\fR [\fIARGUMENTS\fR]"
    yield ".SH DESCRIPTION"
    yield from _text(group.help)
    yield from _options(group)
    yield ".PP"
    yield _plain("Every command has --help.")
    yield ".SH COMMANDS"
    for path, each in _commands(group, "dispatchd"):
        ctx = click.Context(each, info_name=path)
        usage = " ".join(each.collect_usage_pieces(ctx))
        yield f'.SS "{_plain(path)} {_plain(usage)}"'
        yield from _text(each.help)
        yield from _options(each)
    for title, listed in (
        ("ENVIRONMENT", ENVIRONMENT),
        ("FILES", FILES),
        ("EXIT STATUS", EXIT),
    ):
        yield f".SH {title}"
        for name, meaning in listed.items():
            yield ".TP"
            yield rf"\fB{_plain(name)}\fR"
            yield _plain(meaning)


def _commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        each = group.get_command(ctx, name)
        if each is None:  # pragma: no cover - a group lists what it has
            continue
        yield f"{path} {name}", each
        if isinstance(each, click.Group):
            yield from _commands(each, f"{path} {name}")


def _text(help_: str | None) -> Iterator[str]:
    """Yield a help text: its paragraphs are filled, but for those that are to stay."""
    for number, paragraph in enumerate(inspect.cleandoc(help_ or "").split("\n\n")):
        if number:
            yield ".PP"
        if paragraph.startswith(PREFORMATTED):
            head, *lines = paragraph.removeprefix(PREFORMATTED).strip("\n").split("\n")
            yield _plain(head)
            yield from (".PP", ".nf", ".RS 4", *(_plain(line.strip()) for line in lines))
            yield from (".RE", ".fi")
        else:
            yield from (_CODE.sub(r"\\fB\1\\fR", _plain(line)) for line in paragraph.split("\n"))


def _options(command: click.Command) -> Iterator[str]:
    ctx = click.Context(command)
    for param in command.params:  # --help, which all have, is not among them
        record = param.get_help_record(ctx)
        if record and record[1]:  # newer clicks have records of arguments too, without a word
            yield ".TP"
            yield rf"\fB{_plain(record[0])}\fR"
            yield _CODE.sub(r"\\fB\1\\fR", _plain(record[1]))


def _plain(text: str) -> str:
    r"""Spell text so that nothing of it commands the formatter: `-`, `\`, a first dot."""
    spelled = text.replace("\\", r"\e").replace("-", r"\-").replace('"', r"\(dq")
    spelled = spelled.replace("…", "...").replace("'", r"\(aq")
    return rf"\&{spelled}" if spelled.startswith(".") else spelled
