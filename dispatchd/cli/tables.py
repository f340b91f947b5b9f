"""Tables that fit the terminal; whole and plain where the output is not one."""

import os
import shutil
import sys
from collections.abc import Sequence
from typing import Final

from dispatchd.cli.cells import cells_wide
from dispatchd.cli.paging import echo_lines
from dispatchd.frozen import frozen
from dispatchd.strangers import printable
from dispatchd.terminal import styled, wants_colour

CELL_MAX_CHARS: Final = 200  # a sender chooses how long an event type is, not how wide our table
NARROWEST: Final = 8
GAP: Final = "  "


@frozen
class Column:
    """A column. What does not fit is cut short; `whole` never is."""

    title: str
    whole: bool = False
    right: bool = False


def width() -> int | None:
    """Return how many columns standard output has; None where it is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def draw(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    styles: Sequence[str | None] | None = None,
) -> None:
    """Print a table; `styles` has one of terminal.STYLES, or None, for each row.

    Its cells may come from senders: control characters are escaped.
    """
    colour = wants_colour(os.environ, is_tty=sys.stdout.isatty())
    head, *lines = lay_out(columns, rows, width())
    shown = [styled(head, "bold", colour=colour)]
    for line, style in zip(lines, styles or [None] * len(lines), strict=True):
        shown.append(line if style is None else styled(line, style, colour=colour))
    echo_lines(shown, color=colour)


def lay_out(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None
) -> list[str]:
    """Return the table's lines, its titles first; `width` None is without bound."""
    cells = [[_cut(printable(cell), CELL_MAX_CHARS) for cell in row] for row in rows]
    table = [[column.title for column in columns], *cells]
    widths = [max(map(cells_wide, texts)) for texts in zip(*table, strict=True)]
    if width is not None:
        _squeeze(columns, widths, width - len(GAP) * (len(columns) - 1))
    lines = []
    for row in table:
        padded = (
            _padded(_cut(text, wide), wide, right=column.right)
            for column, text, wide in zip(columns, row, widths, strict=True)
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


def _padded(text: str, wide: int, *, right: bool) -> str:
    padding = " " * (wide - cells_wide(text))
    return padding + text if right else text + padding


def _cut(text: str, wide: int) -> str:
    """Cut `text` to `wide` cells of a terminal, the last of them an ellipsis."""
    if cells_wide(text) <= wide:
        return text
    kept = ""
    left = wide - 1
    for char in text:
        left -= cells_wide(char)
        if left < 0:
            break
        kept += char
    return kept + "…"
