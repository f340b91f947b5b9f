"""`dispatchd pause`: hold a destination by hand."""

import asyncio
from typing import TYPE_CHECKING, Final

import click

from dispatchd.cli.completing import DESTINATIONS
from dispatchd.cli.lanes import known_lane
from dispatchd.cli.options import config_option
from dispatchd.cli.storage import load_outline, opened
from dispatchd.clock import SystemClock
from dispatchd.model import HoldKind
from dispatchd.strangers import printable

if TYPE_CHECKING:
    from dispatchd.config import Outline

REASON_MAX_CHARS: Final = 200


@click.command()
@click.argument("name", shell_complete=DESTINATIONS)
@config_option
@click.option("--reason", metavar="TEXT", default="", help="Why, for whoever looks at it.")
def command(name: str, config_path: str | None, reason: str) -> None:
    """Pause a destination: its deliveries wait, and use up no attempts.

    New events go on being received and kept. A running daemon stops within a second, and lets
    what is under way end. `dispatchd resume` sends what waits, the oldest first.

    \b
    Example:
      dispatchd pause crm --reason "moving to the new server"
    """  # noqa: D301 - click reads the backspace itself
    if len(reason) > REASON_MAX_CHARS:
        raise click.BadParameter(f"at most {REASON_MAX_CHARS} characters.", param_hint="--reason")
    asyncio.run(_pause(load_outline(config_path), name, reason))
    click.echo(f"{printable(name)} is paused: its deliveries wait for `dispatchd resume`.")


async def _pause(config: "Outline", name: str, reason: str) -> None:
    async with opened(config) as store:
        state = await known_lane(config, store, name)
        # Paused again, it is paused since it first was; only the reason is another.
        since = [hold.since_ms for hold in state.holds if hold.kind is HoldKind.PAUSED]
        since_ms = since[0] if since and since[0] is not None else SystemClock().now_ms()
        await store.hold_lane(name, HoldKind.PAUSED, reason, since_ms)
