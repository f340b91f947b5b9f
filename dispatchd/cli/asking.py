"""Asking before what touches many: on a terminal a question, elsewhere --yes or nothing is done."""

import sys
from typing import Final

import click

from dispatchd.errors import DispatchdError

MANY: Final = 100  # more than somebody counts on their screen

yes_option = click.option(
    "-y", "--yes", is_flag=True, help=f"Do not ask, however many they are; asked over {MANY}."
)


def ask_first(what: str, count: float) -> None:
    """Return where many may be touched, or few are. Raises UsageError, DispatchdError.

    `what` says what would be done, without its full stop: `replay 1,200 deliveries`.
    """
    if count <= MANY:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError(
            f"This would {what}. Over {MANY} are asked about, and there is no terminal to do it on:"
            " say --yes to go on without being asked."
        )
    try:
        agreed = click.confirm(f"{what[0].upper()}{what[1:]}?", err=True)
    except click.Abort:
        agreed = False
    if not agreed:
        raise DispatchdError("nothing was done")
