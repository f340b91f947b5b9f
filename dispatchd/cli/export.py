"""`dispatchd export`: events as JSON Lines."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final

import click

from dispatchd.cli.events import check_names, choosing_options, query_of
from dispatchd.cli.options import config_option
from dispatchd.cli.progress import counted
from dispatchd.cli.storage import load_outline, opened
from dispatchd.cli.text import to_json
from dispatchd.shapes.event import event_fields

if TYPE_CHECKING:
    from dispatchd.config import Outline
    from dispatchd.store import Store
    from dispatchd.store.base import EventQuery

PAGE: Final = 500  # events read in one go, of bodies that are small


@click.command()
@config_option
@choosing_options
def command(config_path: str | None, **chosen: Any) -> None:
    """Print events as JSON Lines, the oldest first: whole, with their bodies.

    A line is what `show --json` tells of an event, without its deliveries. Nothing that proved
    a sender is in it. `dispatchd send --from` sends such a file to another daemon.

    \b
    Example:
      dispatchd export --since 7d > events.jsonl
      dispatchd export --endpoint my-slug | gzip > my-slug.jsonl.gz
    """  # noqa: D301 - click reads the backspace itself
    config = load_outline(config_path)
    asyncio.run(_export(config, query_of(chosen, PAGE)))


async def _export(config: "Outline", query: "EventQuery") -> None:
    async with opened(config) as store:
        if not await counted(_pages(store, query), "exported", "event", None):
            await check_names(config, query, store)


async def _pages(store: "Store", query: "EventQuery") -> AsyncIterator[int]:
    after: int | None = 0
    while after is not None:
        page = await store.export(query, after)
        for event in page.events:
            click.echo(to_json(event_fields(event), indent=False))
        after = page.after
        yield len(page.events)
