"""`dispatchd refused`: the last requests that were refused, and why."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import click

from dispatchd.cli.completing import ENDPOINTS
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
from dispatchd.cli.tables import Column, draw
from dispatchd.cli.text import (
    body_text,
    clock_time,
    distance,
    plural,
    say_long,
    size,
    span,
    to_json,
)
from dispatchd.clock import SystemClock
from dispatchd.errors import DispatchdError
from dispatchd.strangers import printable

if TYPE_CHECKING:
    from dispatchd.config import Outline
    from dispatchd.store.refused import RefusedQuery, RefusedRequest

COLUMNS: Final = (
    Column("NUMBER", whole=True, right=True),
    Column("AGE", whole=True, right=True),
    Column("ENDPOINT"),
    Column("STATUS", whole=True, right=True),
    Column("REASON", whole=True),
    Column("FROM"),
    Column("SIZE", right=True),
)


@click.command()
@click.argument("number", type=click.IntRange(min=1), required=False)
@config_option
@click.option(
    "--endpoint", shell_complete=ENDPOINTS, metavar="SLUG", help="Only those of this endpoint."
)
@click.option("--reason", metavar="CODE", help="Only those refused for this: invalid_signature.")
@since_option
@until_option
@limit_option
@json_option
def command(
    *,
    number: int | None,
    config_path: str | None,
    endpoint: str | None,
    reason: str | None,
    since_ms: int | None,
    until_ms: int | None,
    limit: int,
    as_json: bool,
) -> None:
    """List requests that were refused, the newest first; with NUMBER, show one whole.

    The last ones of each endpoint and reason are kept; a request to a slug that is no endpoint's
    is listed as the slug in brackets. Of headers that may prove somebody only the name is kept.

    \b
    Example:
      dispatchd refused --endpoint github
      dispatchd refused 17
    """  # noqa: D301 - click reads the backspace itself
    from dispatchd.shapes.refused import refused_fields  # noqa: PLC0415 - not for --help
    from dispatchd.store.refused import RefusedQuery  # noqa: PLC0415 - likewise

    config = load_outline(config_path)
    now_ms = SystemClock().now_ms()
    if number is not None:
        one = asyncio.run(_get(config, number))
        if as_json:
            click.echo(to_json(refused_fields(one)))
        else:
            say_long("\n".join(_lines(one, now_ms)))
        return
    check_stretch(since_ms, until_ms)
    query = RefusedQuery(
        endpoint=endpoint, reason=reason, since_ms=since_ms, until_ms=until_ms, limit=limit
    )
    found = asyncio.run(_find(config, query))
    if as_json:
        click.echo(to_json([refused_fields(one) for one in found]))
    elif not found:
        click.echo("No refused requests.")
    else:
        draw(COLUMNS, [_row(one, now_ms) for one in found])


async def _find(config: "Outline", query: "RefusedQuery") -> Sequence["RefusedRequest"]:
    async with opened(config) as store:
        found = await store.find_refused(query)
    if not found and query.endpoint:
        check_name("endpoint", query.endpoint, config.endpoints)
    return found


async def _get(config: "Outline", number: int) -> "RefusedRequest":
    async with opened(config) as store:
        one = await store.get_refused(number)
    if one is None:
        raise DispatchdError(
            f"there is no refused request {number}, or no more; `dispatchd refused` lists them"
        )
    return one


def _row(one: "RefusedRequest", now_ms: int) -> tuple[str, ...]:
    return (
        str(one.id),
        span(now_ms - one.at_ms),
        f"({one.slug})" if one.endpoint is None else one.endpoint,
        str(one.status),
        one.reason,
        one.source_ip or "-",
        "-" if one.body_bytes is None else size(one.body_bytes),
    )


def _lines(one: "RefusedRequest", now_ms: int) -> Iterator[str]:
    nobody = " (no such endpoint)" if one.endpoint is None else ""
    yield f"Refused   {clock_time(one.at_ms)} ({distance(one.at_ms, now_ms)})"
    yield f"Request   {printable(one.method)} /hooks/{printable(one.slug)}{nobody}"
    yield f"Answer    {one.status} {printable(one.reason)}: {printable(one.message)}"
    yield f"From      {'-' if one.source_ip is None else printable(one.source_ip)}"
    yield f"Headers   {len(one.headers) or 'none'}"
    for name, value in one.headers:
        yield f"  {printable(name)}: {printable(value)}"
    yield f"Body      {'unknown' if one.body_bytes is None else plural(one.body_bytes, 'byte')}"
    if one.body is not None:
        yield from (f"  {line}" for line in body_text(one.body).split("\n"))
    elif one.body_bytes:
        yield "  not kept; `refused: {body: true}` on the endpoint keeps those to come"
