"""`dispatchd events`: list received events."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from dispatchd.cli.options import config_option, json_option, parse_event_id, parse_since, unknown
from dispatchd.cli.storage import load_outline, opened
from dispatchd.cli.tables import Column, draw
from dispatchd.cli.text import iso, size, span, to_json
from dispatchd.clock import SystemClock
from dispatchd.model import DeliveryStatus, EventStatus

if TYPE_CHECKING:
    from dispatchd.config import Outline
    from dispatchd.store.base import EventQuery, EventSummary

LIMIT_MAX: Final = 100_000  # of one listing; --before leads on

COLUMNS: Final = (
    Column("EVENT", whole=True),
    Column("AGE", whole=True, right=True),
    Column("ENDPOINT"),
    Column("TYPE"),
    Column("SIZE", right=True),
    Column("DELIVERIES", folds=True),
)


@click.command()
@config_option
@click.option("--endpoint", metavar="SLUG", help="Only those of this endpoint.")
@click.option("--event-type", metavar="TYPE", help="Only those of this event type.")
@click.option(
    "--status",
    type=click.Choice([s.value for s in EventStatus]),
    help="Only those that became this on arrival.",
)
@click.option("--destination", metavar="NAME", help="Only those owed to this destination.")
@click.option(
    "--delivery",
    "delivery_status",
    type=click.Choice([s.value for s in DeliveryStatus]),
    help="Only those with such a delivery.",
)
@click.option(
    "--since",
    "since_ms",
    type=parse_since,
    metavar="TIME",
    help="Received in the last 24h, or since.",
)
@click.option(
    "--before", "before_id", type=parse_event_id, metavar="EVENT_ID", help="Only older ones."
)
@click.option(
    "--limit",
    type=click.IntRange(1, LIMIT_MAX),
    default=50,
    show_default=True,
    metavar="N",
    help="How many at most.",
)
@json_option
def command(
    *,
    config_path: str | None,
    endpoint: str | None,
    event_type: str | None,
    status: str | None,
    destination: str | None,
    delivery_status: str | None,
    since_ms: int | None,
    before_id: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List received events, the newest first.

    --since takes a duration back from now (30m, 24h, 7d) or an ISO time.

    \b
    Example:
      dispatchd events --destination crm --delivery failed --since 24h
    """  # noqa: D301 - click reads the backspace itself
    from dispatchd.store.base import EventQuery  # noqa: PLC0415 - not for --help

    config = load_outline(config_path)
    query = EventQuery(
        endpoint=endpoint,
        event_type=event_type,
        status=None if status is None else EventStatus(status),
        destination=destination,
        delivery_status=None if delivery_status is None else DeliveryStatus(delivery_status),
        since_ms=since_ms,
        before_id=before_id,
        limit=limit,
    )
    found = asyncio.run(_find(config, query))
    if not found:
        _hint("endpoint", endpoint, config.endpoints)
        _hint("destination", destination, config.destinations)
    if as_json:
        click.echo(to_json([_fields(event) for event in found]))
        return
    if not found:
        click.echo("No events.")
        return
    now_ms = SystemClock().now_ms()
    draw(COLUMNS, [_row(event, now_ms) for event in found])
    if len(found) == limit:
        click.echo(f"More may follow: --before {found[-1].id}", err=True)


async def _find(config: "Outline", query: "EventQuery") -> Sequence["EventSummary"]:
    async with opened(config) as store:
        return await store.find_events(query)


def _hint(what: str, name: str | None, known: Collection[str]) -> None:
    """Say that an empty answer may come of a mistyped name; gone ones may have left events."""
    if name is not None and name not in known:
        click.echo(f"The config has {unknown(what, name, known)}", err=True)


def _fields(event: "EventSummary") -> dict[str, Any]:
    return {
        "event_id": event.id,
        "endpoint": event.endpoint,
        "received": iso(event.received_ms),
        "event_type": event.event_type,
        "source_ip": event.source_ip,
        "status": event.status.value,
        "body_bytes": event.body_bytes,
        "deliveries": {status.value: n for status, n in event.deliveries.items()},
    }


def _row(event: "EventSummary", now_ms: int) -> tuple[str, ...]:
    return (
        event.id,
        span(now_ms - event.received_ms),
        event.endpoint,
        "-" if event.event_type is None else event.event_type,
        size(event.body_bytes),
        "filtered" if event.status is EventStatus.FILTERED else deliveries(event.deliveries),
    )


def deliveries(counts: Mapping[DeliveryStatus, int]) -> str:
    """Spell the deliveries of one event: `2 success, 1 retrying`."""
    parts = [f"{counts[s]} {s.value}" for s in DeliveryStatus if counts.get(s)]
    return ", ".join(parts) or "none"
