"""`dispatchd stats`: count events and deliveries."""

import asyncio
from typing import TYPE_CHECKING, Final

import click

from dispatchd.cli.options import (
    check_stretch,
    config_option,
    json_option,
    parse_since,
    until_option,
)
from dispatchd.cli.storage import load_outline, opened
from dispatchd.cli.tables import Column, draw
from dispatchd.cli.text import clock_time, distance, plural, say, size, to_json
from dispatchd.clock import SystemClock
from dispatchd.model import DeliveryStatus, EventStatus
from dispatchd.shapes.stats import stats_fields

if TYPE_CHECKING:
    from dispatchd.config import Outline
    from dispatchd.store.stats import DestinationStats, Stats

DAY_MS: Final = 86_400_000
COLUMNS: Final = (
    Column("DESTINATION"),
    *(Column(status.value.upper(), whole=True, right=True) for status in DeliveryStatus),
    Column("OLDEST DUE", whole=True),
)


@click.command()
@config_option
@click.option(
    "--since",
    "since_ms",
    type=parse_since,
    metavar="TIME",
    help="Count what came and what ended since; 24h before --until, or now.",
)
@until_option
@json_option
def command(
    config_path: str | None, since_ms: int | None, until_ms: int | None, *, as_json: bool
) -> None:
    """Count events and deliveries.

    Queued, retrying and held deliveries are all counted, whenever their events came; success
    and failed are those that ended since.

    \b
    Example:
      dispatchd stats --since 7d
    """  # noqa: D301 - click reads the backspace itself
    check_stretch(since_ms, until_ms)
    if since_ms is None:
        since_ms = max((SystemClock().now_ms() if until_ms is None else until_ms) - DAY_MS, 0)
    stats = asyncio.run(_stats(load_outline(config_path), since_ms, until_ms))
    if as_json:
        click.echo(to_json(stats_fields(stats, since_ms, until_ms)))
        return
    now_ms = SystemClock().now_ms()
    events = [plural(stats.events.get(EventStatus.RECEIVED, 0), "event") + " received"]
    if filtered := stats.events.get(EventStatus.FILTERED, 0):
        events.append(f"{filtered:,} filtered")
    until = "" if until_ms is None else f" until {clock_time(until_ms)}"
    click.echo(f"{', '.join(events)} since {clock_time(since_ms)}{until}")
    click.echo(f"Database {size(stats.database_bytes)}")
    click.echo()
    if not stats.destinations:
        click.echo("No destinations yet.")
        return
    draw(COLUMNS, [_row(lane, now_ms) for lane in stats.destinations])
    for lane in stats.destinations:
        if (reason := lane.held_because) is not None:
            say(f"{lane.destination} is held: {reason}")


async def _stats(config: "Outline", since_ms: int, until_ms: int | None) -> "Stats":
    async with opened(config) as store:
        return await store.stats(since_ms, until_ms)


def _row(lane: "DestinationStats", now_ms: int) -> tuple[str, ...]:
    oldest = "-" if lane.oldest_due_ms is None else distance(lane.oldest_due_ms, now_ms)
    counts = (f"{lane.counts.get(status, 0):,}" for status in DeliveryStatus)
    return (lane.destination, *counts, oldest)
