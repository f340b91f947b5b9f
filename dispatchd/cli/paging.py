"""Long output on a terminal goes through a pager, as git's and journalctl's does."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import click

from dispatchd.cli.cells import cells_wide
from dispatchd.terminal import without_styles

DEFAULT: Final = "less"
# Colours as they are, an end where all fits on the screen, and what was read stays on it.
LESS: Final = "FRX"


def echo_lines(lines: Sequence[str], *, color: bool = False) -> None:
    """Print lines, with a pager where they are more than the terminal shows and one is wanted."""
    pager = _pager() if _is_long(lines) else None
    text = "".join(f"{line}\n" for line in lines)
    if pager is None or not _shown(pager, text):
        click.echo(text, nl=False, color=color)


def _is_long(lines: Sequence[str]) -> bool:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    size = shutil.get_terminal_size()
    taken = (max(cells_wide(without_styles(line)) - 1, 0) // size.columns + 1 for line in lines)
    return sum(taken) >= size.lines


def _pager() -> list[str] | None:
    """Return the command of the pager; None where none is wanted, or there."""
    ctx = click.get_current_context(silent=True)
    if ctx is not None and ctx.find_root().params.get("no_pager"):
        return None
    if os.environ.get("TERM") == "dumb":
        return None
    named = os.environ.get("DISPATCHD_PAGER", os.environ.get("PAGER", DEFAULT))
    with suppress(ValueError):  # a quote that is not closed
        command = shlex.split(named)
        if command and command[0] != "cat" and shutil.which(command[0]):
            return command
    return None


def _shown(pager: Sequence[str], text: str) -> bool:
    """Show `text` with a pager; return whether it could be started."""
    try:
        running = subprocess.Popen(  # noqa: S603 - the user's own pager
            pager, stdin=subprocess.PIPE, env={"LESS": LESS, **os.environ}
        )
    except OSError:
        return False
    with suppress(BrokenPipeError):  # it was left before the end
        running.communicate(text.encode("utf-8", "backslashreplace"))
    while running.poll() is None:
        with suppress(KeyboardInterrupt):  # Ctrl-C is the pager's, which goes on
            running.wait()
    return True
