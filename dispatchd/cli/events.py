"""`dispatchd events`: list received events."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import click

from dispatchd.cli.completing import DESTINATIONS, ENDPOINTS
from dispatchd.cli.ids import find_event_id, parse_event_id, short_ids
from dispatchd.cli.options import (
    check_name,
    check_stretch,
    config_option,
    json_option,
    limit_option,
    since_option,
    until_option,
)
from dispatchd.cli.storage import load_outline, opened
from dispatchd.cli.tables import Column, draw, lay_out, width
from dispatchd.cli.text import size, span, to_json
from dispatchd.clock import SystemClock
from dispatchd.model import DeliveryStatus, EventStatus
from dispatchd.shapes.event import summary_fields

if TYPE_CHECKING:
    from dispatchd.config import Outline
    from dispatchd.store import Store
    from dispatchd.store.base import EventQuery, EventSummary


# What someone may have to see to: these name their destinations. The worst first.
TROUBLED: Final = (DeliveryStatus.FAILED, DeliveryStatus.HELD, DeliveryStatus.RETRYING)
_BY_URGENCY: Final = (*TROUBLED, DeliveryStatus.QUEUED, DeliveryStatus.SUCCESS)
_STYLES: Final = {
    DeliveryStatus.FAILED: "red",
    DeliveryStatus.HELD: "yellow",
    DeliveryStatus.RETRYING: "yellow",
}
COLUMNS: Final = (
    Column("EVENT", whole=True),
    Column("AGE", whole=True, right=True),
    Column("ENDPOINT"),
    Column("TYPE"),
    Column("SIZE", right=True),
    Column("DELIVERIES"),
)


_CHOOSING: Final = (
    click.option(
        "--endpoint", shell_complete=ENDPOINTS, metavar="SLUG", help="Only those of this endpoint."
    ),
    click.option("--event-type", metavar="TYPE", help="Only those of this event type."),
    click.option(
        "--status",
        type=click.Choice([s.value for s in EventStatus]),
        help="Only those that became this on arrival.",
    ),
    click.option(
        "--destination",
        shell_complete=DESTINATIONS,
        metavar="NAME",
        help="Only those owed to this destination.",
    ),
    click.option(
        "--delivery",
        "delivery_status",
        type=click.Choice([s.value for s in DeliveryStatus]),
        help="Only those with such a delivery.",
    ),
    since_option,
    until_option,
    click.option("--search", metavar="TEXT", help="Only those whose type or body holds this text."),
)


def choosing_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say which events are meant; `query_of` reads what they gave."""
    for option in reversed(_CHOOSING):
        command = option(command)
    return command


def query_of(chosen: Mapping[str, Any], limit: int, before_id: str | None = None) -> "EventQuery":
    """Return the query of `choosing_options`. Raises UsageError where nothing can be found."""
    from dispatchd.store.base import EventQuery  # noqa: PLC0415 - not for --help

    check_stretch(chosen["since_ms"], chosen["until_ms"])
    status, delivery_status = chosen["status"], chosen["delivery_status"]
    return EventQuery(
        endpoint=chosen["endpoint"],
        event_type=chosen["event_type"],
        status=None if status is None else EventStatus(status),
        destination=chosen["destination"],
        delivery_status=None if delivery_status is None else DeliveryStatus(delivery_status),
        since_ms=chosen["since_ms"],
        until_ms=chosen["until_ms"],
        search=chosen["search"],
        before_id=before_id,
        limit=limit,
    )


@click.command()
@config_option
@choosing_options
@click.option(
    "--before", "before_id", type=parse_event_id, metavar="EVENT_ID", help="Only older ones."
)
@limit_option
@json_option
def command(
    *, config_path: str | None, before_id: str | None, limit: int, as_json: bool, **chosen: Any
) -> None:
    """List received events, the newest first.

    --since and --until take a duration back from now (30m, 24h, 7d) or an ISO time. Where the
    terminal is narrow, ids are shown by their beginnings, which every command takes.

    \b
    Example:
      dispatchd events --destination crm --delivery failed --since 24h
    """  # noqa: D301 - click reads the backspace itself
    query = query_of(chosen, limit, before_id)
    config = load_outline(config_path)
    found = asyncio.run(_find(config, query))
    if as_json:
        click.echo(to_json([summary_fields(event) for event in found]))
        return
    if not found:
        click.echo("No events.")
        return
    now_ms = SystemClock().now_ms()
    rows = [_row(event, now_ms) for event in found]
    room = width()
    if room is not None and max(map(len, lay_out(COLUMNS, rows, None))) > room:
        short = short_ids([event.id for event in found])  # enough for `show` and its like
        rows = [(id_, *row[1:]) for id_, row in zip(short, rows, strict=True)]
    draw(COLUMNS, rows, [_style(event) for event in found])
    if len(found) == limit:
        click.echo(f"More may follow: --before {found[-1].id}", err=True)


async def _find(config: "Outline", query: "EventQuery") -> Sequence["EventSummary"]:
    async with opened(config) as store:
        if query.before_id is not None:
            query = replace(query, before_id=await find_event_id(store, query.before_id))
        found = await store.find_events(query)
        if not found:
            await check_names(config, query, store)
        return found


async def check_names(config: "Outline", query: "EventQuery", store: "Store") -> None:
    """Refuse names that neither the config nor any event has: nothing comes of a slip.

    What has left the config may have left events.
    """
    from dispatchd.store.base import EventQuery  # noqa: PLC0415 - not for --help

    endpoint, destination = query.endpoint, query.destination
    if endpoint not in (None, *config.endpoints) and not await store.find_events(
        EventQuery(endpoint=endpoint, limit=1)
    ):
        check_name("endpoint", endpoint, config.endpoints)
    if destination not in (None, *config.destinations) and not await store.find_events(
        EventQuery(destination=destination, limit=1)
    ):
        check_name("destination", destination, config.destinations)


def _row(event: "EventSummary", now_ms: int) -> tuple[str, ...]:
    return (
        event.id,
        span(now_ms - event.received_ms),
        event.endpoint,
        "-" if event.event_type is None else event.event_type,
        size(event.body_bytes),
        "filtered"
        if event.status is EventStatus.FILTERED and not event.statuses
        else deliveries(event.statuses),
    )


def deliveries(statuses: Mapping[str, DeliveryStatus]) -> str:
    """Spell the deliveries of one event, the worst first: `crm failed, 2 success`."""
    parts = []
    for status in sorted(DeliveryStatus, key=_BY_URGENCY.index):
        names = [name for name, found in statuses.items() if found is status]
        if names:
            named = " ".join(names) if status in TROUBLED else str(len(names))
            parts.append(f"{named} {status.value}")
    return ", ".join(parts) or "none"


def _style(event: "EventSummary") -> str | None:
    found = [_STYLES[status] for status in TROUBLED if status in event.statuses.values()]
    return found[0] if found else None
