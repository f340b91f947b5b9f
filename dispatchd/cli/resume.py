"""`dispatchd resume`: end what holds a destination."""

import asyncio
from typing import TYPE_CHECKING

import click

from dispatchd.cli.completing import DESTINATIONS
from dispatchd.cli.lanes import known_lane
from dispatchd.cli.options import config_option
from dispatchd.cli.storage import load_outline, opened
from dispatchd.strangers import printable

if TYPE_CHECKING:
    from dispatchd.config import Outline


@click.command()
@click.argument("name", shell_complete=DESTINATIONS)
@config_option
def command(name: str, config_path: str | None) -> None:
    """Resume a destination: what waits is sent, the oldest first.

    Ends a pause, and an open breaker or a 410 Gone too, for whoever knows that the destination
    is back. One that is not in the config stays held until it is. A running daemon notices
    within a second.

    \b
    Example:
      dispatchd resume crm
    """  # noqa: D301 - click reads the backspace itself
    ended, left = asyncio.run(_resume(load_outline(config_path), name))
    name = printable(name)
    if ended or not left:
        click.echo(f"{name} is resumed." if ended else f"{name} was not held.")
    for words in left:
        click.echo(f"{name} is still held: {printable(words)}", err=True)


async def _resume(config: "Outline", name: str) -> tuple[bool, list[str]]:
    """Return whether anything was ended, and what holds the lane still."""
    from dispatchd.store.base import RESUMABLE, hold_words  # noqa: PLC0415 - not for --help

    async with opened(config) as store:
        holds = (await known_lane(config, store, name)).holds
        ended = [hold for hold in holds if hold.kind in RESUMABLE]
        if ended:
            await store.open_lane(name, *RESUMABLE)
        left = [hold_words(hold) for hold in holds if hold.kind not in RESUMABLE]
        return bool(ended), left
