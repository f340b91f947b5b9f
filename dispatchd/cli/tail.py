"""`dispatchd tail`: print events as they come, and what becomes of them."""

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import click

from dispatchd.alert_kinds import ALERTS
from dispatchd.cli.completing import DESTINATIONS, ENDPOINTS
from dispatchd.cli.daemon_at import find_daemon, token_file_option, url_option
from dispatchd.cli.live_lines import attempt_line, event_line, styler
from dispatchd.cli.options import check_name, config_option, json_option, parse_since
from dispatchd.cli.storage import load_outline, opened
from dispatchd.cli.text import iso, say, to_json
from dispatchd.cli.until_stopped import run_until_stopped
from dispatchd.clock import SystemClock
from dispatchd.model import DeliveryStatus, EventStatus
from dispatchd.terminal import wants_colour

if TYPE_CHECKING:
    from dispatchd.config import Outline
    from dispatchd.remote.daemon import DaemonAt
    from dispatchd.store.base import EventQuery

Print = Callable[[Mapping[str, Any]], None]


@click.command()
@config_option
@click.option(
    "--endpoint", shell_complete=ENDPOINTS, metavar="SLUG", help="Only those of this endpoint."
)
@click.option("--event-type", metavar="TYPE", help="Only those of this event type.")
@click.option(
    "--status",
    type=click.Choice([s.value for s in EventStatus]),
    help="Only events that became this on arrival.",
)
@click.option(
    "--destination",
    shell_complete=DESTINATIONS,
    metavar="NAME",
    help="Only events owed to it, attempts at it.",
)
@click.option(
    "--delivery",
    "delivery_status",
    type=click.Choice([s.value for s in DeliveryStatus]),
    help="Only events with such a delivery, attempts that made it so.",
)
@click.option("--search", metavar="TEXT", help="Only those whose type or body holds this text.")
@click.option(
    "--since",
    "since_ms",
    type=parse_since,
    metavar="TIME",
    help="Begin with those received in the last 2h, or since; else with the next.",
)
@url_option
@token_file_option
@json_option
def command(
    *,
    config_path: str | None,
    endpoint: str | None,
    event_type: str | None,
    status: str | None,
    destination: str | None,
    delivery_status: str | None,
    search: str | None,
    since_ms: int | None,
    url: str | None,
    token_file: str | None,
    as_json: bool,
) -> None:
    """Print events as they come, and each attempt at their deliveries. Ctrl-C ends it.

    It reads the database, with the daemon up or down; with --url, a daemon elsewhere is
    followed over its API, over outages too.

    \b
    Example:
      dispatchd tail --endpoint my-slug
      dispatchd tail --delivery failed
      dispatchd tail --url https://hooks.example.com:8081 --token-file token
    """  # noqa: D301 - click reads the backspace itself
    from dispatchd.store.base import EventQuery  # noqa: PLC0415 - not for --help

    if token_file is not None and url is None:
        raise click.UsageError("--token-file goes with --url.")
    query = EventQuery(
        endpoint=endpoint,
        event_type=event_type,
        status=None if status is None else EventStatus(status),
        destination=destination,
        delivery_status=None if delivery_status is None else DeliveryStatus(delivery_status),
        search=search,
        since_ms=since_ms,
    )
    show = _json if as_json else _shown()
    if url is not None:
        run_until_stopped(_over_api(find_daemon(config_path, url, token_file), query, show))
        return
    config = load_outline(config_path)
    check_name("endpoint", endpoint, (*config.endpoints, ALERTS))
    check_name("destination", destination, config.destinations)
    run_until_stopped(_from_store(config, query, show))


async def _from_store(config: "Outline", query: "EventQuery", show: Print) -> None:
    from dispatchd.cli.tailing import StoreTail  # noqa: PLC0415 - not for --help

    async with opened(config) as store:
        place = None if query.since_ms is None else await store.place_since(query.since_ms)
        async with aclosing(StoreTail(store, query, _trouble).told(place)) as told:
            async for fields in told:
                show(fields)


async def _over_api(daemon: "DaemonAt", query: "EventQuery", show: Print) -> None:
    from dispatchd.remote.following import Following  # noqa: PLC0415 - likewise

    asked = {
        "endpoint": query.endpoint,
        "event_type": query.event_type,
        "status": query.status,
        "destination": query.destination,
        "delivery": query.delivery_status,
        "search": query.search,
        "since": None if query.since_ms is None else iso(query.since_ms),
        "attempts": "true",
    }
    given = {name: str(value) for name, value in asked.items() if value is not None}
    now_ms = SystemClock().now_ms()
    following = Following(daemon, given, last_id=None, now_ms=now_ms, say=_trouble)
    async with daemon.session() as session, aclosing(following.told(session)) as told:
        async for one in told:
            show(one.fields)


def _shown() -> Print:
    style = styler(colour=wants_colour(os.environ, is_tty=sys.stdout.isatty()))

    def show(fields: Mapping[str, Any]) -> None:
        kind = fields.get("kind")
        if kind == "event":
            click.echo(event_line(fields, style), color=True)
        elif kind == "attempt":
            click.echo(attempt_line(fields, style), color=True)
        elif kind == "missed":
            _trouble("some attempts came too fast to be told; `dispatchd events` has them all")

    return show


def _json(fields: Mapping[str, Any]) -> None:
    click.echo(to_json(fields, indent=False))


def _trouble(sentence: str) -> None:
    say(sentence, err=True)
