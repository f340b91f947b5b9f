"""`dispatchd replay`: deliver events again."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from dispatchd.cli.ids import find_event_id, parse_event_id
from dispatchd.cli.options import config_option, json_option, parse_since, unknown
from dispatchd.cli.progress import counted
from dispatchd.cli.storage import load_outline, opened
from dispatchd.cli.text import plural, say, to_json
from dispatchd.clock import SystemClock
from dispatchd.errors import DispatchdError
from dispatchd.model import DeliveryStatus

if TYPE_CHECKING:
    from dispatchd.config import Outline
    from dispatchd.store import Store
    from dispatchd.store.base import DestinationStats, ReplayQuery

NAMED_MAX = 5  # ids in one error; more than that is a wrong database, not a slip


@click.command()
@click.argument("event_ids", type=parse_event_id, nargs=-1, metavar="[EVENT_ID]...")
@config_option
@click.option("--failed", is_flag=True, help="Every failed delivery, instead of event ids.")
@click.option("--destination", metavar="NAME", help="Only deliveries to this destination.")
@click.option(
    "--since",
    "since_ms",
    type=parse_since,
    metavar="TIME",
    help="Only events received in the last 2h, or since.",
)
@click.option("--dry-run", is_flag=True, help="Only count what would be replayed.")
@json_option
def command(
    *,
    event_ids: tuple[str, ...],
    config_path: str | None,
    failed: bool,
    destination: str | None,
    since_ms: int | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Deliver events again: their deliveries start afresh, due now, with every attempt ahead.

    With event ids (or their beginnings, or `latest`), all deliveries of these events, whatever
    became of them; with --failed, all that failed. A running daemon notices within a second;
    without one they wait for it.

    \b
    Example:
      dispatchd replay 0198c0de-0000-7000-8000-000000000001
      dispatchd replay --failed --destination crm --since 2h
    """  # noqa: D301 - click reads the backspace itself
    from dispatchd.store.base import ReplayQuery  # noqa: PLC0415 - not for --help

    if bool(event_ids) == failed:
        raise click.UsageError("Name event ids or say --failed: one of the two.")
    query = ReplayQuery(event_ids, destination, since_ms)
    count, held = asyncio.run(_replay(load_outline(config_path), query, dry_run=dry_run))
    if as_json:
        click.echo(to_json({"deliveries": count, "dry_run": dry_run, "held": held}))
        return
    did = "Would replay" if dry_run else "Replayed"
    click.echo(f"{did} {plural(count, 'delivery')}." if count else "Nothing to replay.")
    for name, reason in held.items():
        say(f"Those to {name} wait, it is held: {reason}", err=True)


async def _replay(
    config: "Outline", query: "ReplayQuery", *, dry_run: bool
) -> tuple[int, dict[str, str]]:
    """Return how many deliveries were replayed, and why some of them may wait."""
    async with opened(config) as store:
        # Only `--dry-run` needs the counts, and they cost a walk through what they count.
        since_ms = query.since_ms or 0
        stats = await store.stats(since_ms if dry_run else SystemClock().now_ms())
        lanes = {d.destination: d for d in stats.destinations}
        _check_destination(config, query.destination, lanes)
        given = [await find_event_id(store, event_id) for event_id in query.event_ids]
        query = replace(query, event_ids=tuple(dict.fromkeys(given)))
        named = await _deliveries_of_events(store, query)
        expected = None if named is None else len(named)
        if dry_run:
            return _count_failed(query, lanes) if expected is None else expected, {}
        count = await counted(
            store.replay(query, SystemClock().now_ms()), "replayed", "delivery", expected
        )
        held = await _newly_held(store, lanes)
        for name in named or ():  # also what was held before
            if (lane := lanes.get(name)) is not None and lane.held is not None:
                held[name] = lane.held
        return count, held


async def _newly_held(store: "Store", before: "dict[str, DestinationStats]") -> dict[str, str]:
    """Return which destinations hold more than before the replay, and why."""
    stats = await store.stats(SystemClock().now_ms())
    held: dict[str, str] = {}
    for lane in stats.destinations:
        earlier = before.get(lane.destination)
        held_before = 0 if earlier is None else earlier.counts.get(DeliveryStatus.HELD, 0)
        if lane.held is not None and lane.counts.get(DeliveryStatus.HELD, 0) > held_before:
            held[lane.destination] = lane.held
    return held


def _check_destination(
    config: "Outline", name: str | None, lanes: "dict[str, DestinationStats]"
) -> None:
    known = {*config.destinations, *lanes}
    if name is not None and name not in known:
        raise click.BadParameter(unknown("destination", name, known), param_hint="--destination")


async def _deliveries_of_events(store: "Store", query: "ReplayQuery") -> list[str] | None:
    """Return whither the named events, all of which must exist, are replayed; None for --failed."""
    if not query.event_ids:
        return None
    found: list[str] = []
    missing: list[str] = []
    for event_id in query.event_ids:
        story = await store.get_event(event_id)
        if story is None:
            missing.append(event_id)
        elif story.event.received_ms >= (query.since_ms or 0):
            found += [
                d.destination
                for d in story.deliveries
                if query.destination in (None, d.destination)
            ]
    if missing:
        raise DispatchdError(f"nothing was replayed: there is no event {_named(missing)}")
    return found


def _count_failed(query: "ReplayQuery", lanes: "dict[str, DestinationStats]") -> int:
    return sum(
        lane.counts.get(DeliveryStatus.FAILED, 0)
        for name, lane in lanes.items()
        if query.destination in (None, name)
    )


def _named(ids: Sequence[str]) -> str:
    more = len(ids) - NAMED_MAX
    return ", ".join(ids[:NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
