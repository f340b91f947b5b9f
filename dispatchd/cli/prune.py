"""`dispatchd prune`: delete old events that owe nothing."""

import asyncio
from typing import TYPE_CHECKING

import click

from dispatchd.cli.options import config_option, json_option, parse_duration
from dispatchd.cli.progress import counted
from dispatchd.cli.storage import load_outline, opened
from dispatchd.cli.text import clock_time, iso, plural, to_json
from dispatchd.clock import SystemClock

if TYPE_CHECKING:
    from dispatchd.config import Outline


@click.command()
@config_option
@click.option(
    "--older-than",
    "older_than_ms",
    type=parse_duration,
    metavar="AGE",
    help="Instead of storage.retention: 30d, 12h.",
)
@json_option
def command(config_path: str | None, older_than_ms: int | None, as_json: bool) -> None:
    """Delete old events that owe nothing, with their deliveries and attempts.

    Old is what was received longer ago than storage.retention, or --older-than. An event with
    a delivery still open stays, however old. There is no way back: `dispatchd backup` first.

    \b
    Example:
      dispatchd prune --older-than 30d
    """  # noqa: D301 - click reads the backspace itself
    config = load_outline(config_path)
    if older_than_ms is None:
        older_than_ms = round(config.storage.retention_s * 1000)
    before_ms = max(SystemClock().now_ms() - older_than_ms, 0)
    count = asyncio.run(_prune(config, before_ms))
    if as_json:
        click.echo(to_json({"events": count, "before": iso(before_ms)}))
    else:
        click.echo(f"Pruned {plural(count, 'event')} received before {clock_time(before_ms)}.")


async def _prune(config: "Outline", before_ms: int) -> int:
    async with opened(config) as store:
        return await counted(store.prune(before_ms), "pruned", "event", None)
