"""The manual page: of every command and option, up to date, and one that formatters take."""

import shutil
import subprocess
from pathlib import Path

import click
import pytest

from dispatchd.cli import cli
from dispatchd.cli.man import page

PAGE = Path(__file__).parents[2] / "packaging" / "dispatchd.1"


def commands(group: click.Group, path: str = "dispatchd"):
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


def rendered() -> str:
    """Return the page as people read it."""
    if shutil.which("mandoc"):
        command = ["mandoc", "-T", "ascii", PAGE]
    elif shutil.which("groff"):
        command = ["groff", "-man", "-Tascii", "-P-c", "-ww", PAGE]
    else:
        pytest.skip("neither mandoc nor groff is on this machine")
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stderr == ""
    text = ran.stdout
    while "\b" in text:  # a letter that is struck twice is bold
        at = text.index("\b")
        text = text[: at - 1] + text[at + 1 :]
    return text


def test_it_is_what_the_commands_say_now() -> None:
    kept = PAGE.read_text(encoding="utf-8")
    assert kept == "\n".join(page(cli)) + "\n", "run dispatchd man > packaging/dispatchd.1"


def test_every_command_and_option_is_in_it() -> None:
    text = "\n".join(page(cli)).replace("\\", "")
    for path, command in commands(cli):
        section = text.partition(f'.SS "{path} ')[2].partition("\n.SS ")[0]
        assert section, path
        for param in command.params:
            if isinstance(param, click.Option):
                assert all(option in section for option in param.opts), (path, param.name)


def test_a_formatter_shows_all_of_it() -> None:
    text = " ".join(rendered().split())
    for path, command in commands(cli):
        assert path in text
        assert " ".join((command.help or "").split("\n\n")[0].split()).replace("`", "") in text
    assert "dispatchd replay --failed --destination crm --since 2h --rate 50/s" in text
    assert "EXIT STATUS" in text


@pytest.mark.parametrize(
    ("text", "spelled"),
    [(".TH x", r"\&.TH x"), ("a\\b", r"a\eb"), ("--json", r"\-\-json"), ("it's", r"it\(aqs")],
)
def test_no_text_commands_the_formatter(text, spelled) -> None:
    command = click.Command("x", help=text)
    group = click.Group("g", {"x": command}, help="g")
    assert spelled in list(page(group))
