"""Tables that fit the terminal; whole and plain where the output is not one."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import click

from dispatchd.cli.text import printable

PIPED_WIDTH: Final = 100_000  # no reader of a pipe wants a line folded
CELL_MAX_CHARS: Final = 200  # a sender chooses how long an event type is, not how wide our table
MIN_WIDTH: Final = 8


@dataclass(frozen=True, slots=True)
class Column:
    """A column. What does not fit is cut short; `whole` never is, `folds` takes further lines."""

    title: str
    whole: bool = False
    folds: bool = False
    right: bool = False


def draw(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print a table. Its cells may come from senders: control characters are escaped."""
    from rich.console import Console  # noqa: PLC0415 - only where a table is drawn
    from rich.table import Table  # noqa: PLC0415 - likewise
    from rich.text import Text  # noqa: PLC0415 - likewise

    on_terminal = sys.stdout.isatty()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(
            column.title,
            no_wrap=not column.folds,
            overflow="fold" if column.folds else "ellipsis",
            justify="right" if column.right else "left",
            min_width=_widest(column, columns, rows) if column.whole else MIN_WIDTH // 2,
        )
    for row in rows:
        table.add_row(*(Text(_cut(printable(cell))) for cell in row))
    console = Console(
        width=None if on_terminal else PIPED_WIDTH,
        no_color=not on_terminal or None,
        force_terminal=on_terminal,
    )
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        click.echo(line.rstrip())


def _widest(column: Column, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> int:
    index = columns.index(column)
    return max([len(column.title), *(len(row[index]) for row in rows)])


def _cut(cell: str) -> str:
    return cell if len(cell) <= CELL_MAX_CHARS else cell[: CELL_MAX_CHARS - 1] + "…"
