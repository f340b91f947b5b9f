"""Tables that fit the terminal; whole and plain where the output is not one."""

import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final
from unicodedata import combining, east_asian_width

import click

from dispatchd.strangers import printable

CELL_MAX_CHARS: Final = 200  # a sender chooses how long an event type is, not how wide our table
NARROWEST: Final = 8
GAP: Final = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """A column. What does not fit is cut short; `whole` never is, `folds` takes further lines."""

    title: str
    whole: bool = False
    folds: bool = False
    right: bool = False


def draw(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print a table. Its cells may come from senders: control characters are escaped."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    head, *body = lay_out(columns, rows, width)
    click.echo(click.style(head, bold=True))  # echo drops the style where it is no terminal
    for line in body:
        click.echo(line)


def lay_out(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None
) -> list[str]:
    """Return the table's lines, its titles first; `width` None is without bound."""
    cells = [[_cut(printable(cell), CELL_MAX_CHARS) for cell in row] for row in rows]
    table = [[column.title for column in columns], *cells]
    widths = [max(map(_cells_wide, texts)) for texts in zip(*table, strict=True)]
    if width is not None:
        _squeeze(columns, widths, width - len(GAP) * (len(columns) - 1))
    lines = []
    for row in table:
        parts = [
            _wrapped(text, wide) if column.folds else [_cut(text, wide)]
            for column, text, wide in zip(columns, row, widths, strict=True)
        ]
        for line in zip_longest(*parts, fillvalue=""):
            padded = (
                _padded(text, wide, right=column.right)
                for column, text, wide in zip(columns, line, widths, strict=True)
            )
            lines.append(GAP.join(padded).rstrip())
    return lines


def _squeeze(columns: Sequence[Column], widths: list[int], room: int) -> None:
    """Take from the widest of the columns that give way, until the table fits."""
    yielding = [i for i, column in enumerate(columns) if not column.whole]
    while sum(widths) > room:
        widest = max(yielding, key=lambda i: widths[i], default=None)
        if widest is None or widths[widest] <= NARROWEST:
            return  # too narrow a terminal: its lines will wrap
        widths[widest] -= 1


def _wrapped(text: str, wide: int) -> list[str]:
    return textwrap.wrap(text, wide) or [""]


def _padded(text: str, wide: int, *, right: bool) -> str:
    padding = " " * (wide - _cells_wide(text))
    return padding + text if right else text + padding


def _cut(text: str, wide: int) -> str:
    """Cut `text` to `wide` cells of a terminal, the last of them an ellipsis."""
    if _cells_wide(text) <= wide:
        return text
    kept = ""
    left = wide - 1
    for char in text:
        left -= _cells_wide(char)
        if left < 0:
            break
        kept += char
    return kept + "…"


def _cells_wide(text: str) -> int:
    """Count the cells of a terminal: two for wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(
        0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text
    )
