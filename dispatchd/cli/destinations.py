"""`dispatchd destinations`: how every lane stands."""

import asyncio
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

import click

from dispatchd.cli.options import config_option, json_option
from dispatchd.cli.storage import load_outline, opened
from dispatchd.cli.tables import Column, draw
from dispatchd.cli.text import distance, to_json
from dispatchd.clock import SystemClock
from dispatchd.shapes.lane import lane_fields
from dispatchd.strangers import printable

if TYPE_CHECKING:
    from dispatchd.config import Outline
    from dispatchd.model import Hold
    from dispatchd.store.base import LaneSummary

COLUMNS: Final = (
    Column("DESTINATION"),
    Column("STATE", whole=True),
    Column("BACKLOG", whole=True, right=True),
    Column("OLDEST DUE", whole=True),
    Column("LAST SUCCESS", whole=True),
    Column("LAST ERROR", whole=True),
)


@click.command()
@config_option
@json_option
def command(config_path: str | None, *, as_json: bool) -> None:
    """List every destination: its state and why, what waits for it, what came of it last.

    A held one keeps its deliveries and uses up none of their attempts. The last success and
    the last error are exact to a second.

    \b
    Example:
      dispatchd destinations
    """  # noqa: D301 - click reads the backspace itself
    config = load_outline(config_path)
    lanes = asyncio.run(_lanes(config))
    if as_json:
        click.echo(to_json([lane_fields(lane) for lane in lanes]))
        return
    if not lanes:
        click.echo("No destinations yet.")
        return
    now_ms = SystemClock().now_ms()
    draw(COLUMNS, [_row(lane, now_ms) for lane in lanes])
    for lane in lanes:
        if lane.leased:
            click.echo(f"{printable(lane.destination)}: consumers have {lane.leased:,} of them")
        for hold in lane.state.holds:
            click.echo(f"{printable(lane.destination)} is held: {printable(_why(hold, now_ms))}")
        if lane.state.word == "paced" and (pacing := lane.state.pacing) is not None:
            words = f"{pacing.reason} ({distance(pacing.since_ms, now_ms)})"
            click.echo(f"{printable(lane.destination)} is paced: {printable(words)}")


async def _lanes(config: "Outline") -> Sequence["LaneSummary"]:
    async with opened(config) as store:
        return _with_new(await store.lanes(), config.destinations)


def _with_new(
    lanes: Sequence["LaneSummary"], configured: Collection[str]
) -> Sequence["LaneSummary"]:
    """Add the destinations of the config that no daemon has seen yet."""
    from dispatchd.model import LaneState  # noqa: PLC0415 - not for --help
    from dispatchd.store.base import LaneSummary  # noqa: PLC0415 - likewise

    new = set(configured) - {lane.destination for lane in lanes}
    added = [LaneSummary(name, LaneState(), 0, None, None, None, None) for name in new]
    return sorted([*lanes, *added], key=lambda lane: lane.destination)


def _why(hold: "Hold", now_ms: int) -> str:
    from dispatchd.store.base import hold_words  # noqa: PLC0415 - not for --help

    words = hold_words(hold)
    return words if hold.since_ms is None else f"{words} ({distance(hold.since_ms, now_ms)})"


def _row(lane: "LaneSummary", now_ms: int) -> tuple[str, ...]:
    error = "-"
    if lane.last_error is not None and lane.last_error_ms is not None:
        error = f"{distance(lane.last_error_ms, now_ms)} {lane.last_error.value}"
    return (
        lane.destination,
        lane.state.word,
        f"{lane.backlog:,}",
        "-" if lane.oldest_due_ms is None else distance(lane.oldest_due_ms, now_ms),
        "-" if lane.last_success_ms is None else distance(lane.last_success_ms, now_ms),
        error,
    )
