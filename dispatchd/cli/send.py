"""`dispatchd send`: sign and post a test event, or exported ones."""

import asyncio
from typing import TYPE_CHECKING, BinaryIO, Final
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from dispatchd.cli.completing import ENDPOINTS
from dispatchd.cli.options import check_name, config_option, json_option, unknown
from dispatchd.cli.posting import Poster, Reply, with_query
from dispatchd.cli.request import (
    JSON,
    Target,
    draft_of,
    header,
    key_headers,
    signed,
    target_of,
)
from dispatchd.cli.resending import resend
from dispatchd.cli.storage import load_config
from dispatchd.cli.text import body_text, say, to_json
from dispatchd.errors import DispatchdError
from dispatchd.shapes.sent import request_fields
from dispatchd.verify import Draft, SignedRequest

if TYPE_CHECKING:
    from dispatchd.config import Config

THE_KEY: Final = "THE-API-KEY"  # what a dry run has in place of one


def http_url(text: str) -> str:
    """Return an absolute http or https URL as it is."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a malformed port or address
        good = False
    if not good:
        raise click.BadParameter(f"{text!r} is no http or https URL.")
    return text


@click.command()
@click.argument("slug", required=False, shell_complete=ENDPOINTS)
@click.argument("file", type=click.File("rb"), required=False)
@config_option
@click.option("--event-type", metavar="TYPE", help="Send it as X-Event-Type.")
@click.option(
    "--header", "headers", type=header, multiple=True, metavar="K:V", help="A further header."
)
@click.option(
    "--url", type=http_url, metavar="URL", help="Post there instead of to the configured listener."
)
@click.option(
    "--api-key",
    metavar="KEY",
    envvar="DISPATCHD_API_KEY",
    help="Use this API key instead of a signature; better from $DISPATCHD_API_KEY.",
)
@click.option(
    "--from",
    "exported",
    type=click.File("rb"),
    metavar="FILE",
    help="Send the events of `dispatchd export`, in their order.",
)
@click.option("--after", metavar="EVENT_ID", help="With --from: only those behind this one.")
@click.option("--dry-run", is_flag=True, help="Only print the request, or count with --from.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    slug: str | None,
    file: BinaryIO | None,
    config_path: str | None,
    event_type: str | None,
    headers: tuple[tuple[str, str], ...],
    url: str | None,
    api_key: str | None,
    exported: BinaryIO | None,
    after: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Sign and post a test event to endpoint SLUG of the running daemon.

    The body is FILE byte for byte (- is standard input), else a small JSON document. It is
    signed with the endpoint's first secret as its provider would; where it has none, an API key
    is sent.

    With --from, events that `dispatchd export` wrote, each to the endpoint of its name, or all
    to SLUG. It stops at the first that is not taken and says how to go on.

    \b
    Example:
      dispatchd send my-slug
      dispatchd send my-slug payload.json --event-type opened
      dispatchd send --from events.jsonl --url https://hooks.example.com
    """  # noqa: D301 - click reads the backspace itself
    prefer_key = ctx.get_parameter_source("api_key") is ParameterSource.COMMANDLINE
    if after is not None and exported is None:
        raise click.UsageError("--after goes with --from.")
    if exported is not None:
        if file is not None or event_type is not None or headers:
            raise click.UsageError("--from sends events as they are: no FILE, type or header.")
        config = load_config(config_path)
        check_name("endpoint", slug, config.endpoints, "SLUG")
        ok = resend(
            config,
            exported,
            slug=slug,
            url=url,
            api_key=api_key,
            prefer_key=prefer_key,
            after=after,
            dry_run=dry_run,
            as_json=as_json,
        )
        ctx.exit(0 if ok else 1)
    if slug is None:
        raise click.UsageError("Missing argument 'SLUG', or --from.")
    config = load_config(config_path)
    if slug not in config.endpoints:
        raise click.BadParameter(
            unknown("endpoint", slug, config.endpoints) + " (in the config)", param_hint="SLUG"
        )
    content_type = next((v for k, v in headers if k.lower() == "content-type"), JSON)
    draft = draft_of(file, content_type)
    key = THE_KEY if dry_run and api_key is not None else api_key
    made = _proven(config, slug, draft, key, prefer_key=prefer_key, shown=dry_run)
    sent = {"Content-Type": JSON, "User-Agent": "dispatchd-send", **made.headers}
    if event_type is not None:
        sent.update([header(f"X-Event-Type: {event_type}")])
    target = target_of(config, slug, url)
    whole = _overlay(sent, headers)
    if dry_run:
        _show(target, made.query, whole, made.body, as_json=as_json)
        return
    reply = asyncio.run(_post(target, made.query, whole, made.body, config.header_prefix))
    _tell(reply, as_json=as_json)
    ctx.exit(0 if reply.ok else 1)


def _proven(
    config: "Config", slug: str, draft: Draft, key: str | None, *, prefer_key: bool, shown: bool
) -> SignedRequest:
    """Return the request with what proves it: a signature, else an API key."""
    endpoint = config.endpoints[slug]
    if endpoint.secret and not prefer_key:
        return signed(config, slug, draft, shown=shown)
    return SignedRequest(draft.body, key_headers(endpoint, slug, key))


def _tell(reply: Reply, *, as_json: bool) -> None:
    """Print an answer. Raises DispatchdError for people where the webhook was not taken."""
    if as_json:
        beside = {} if reply.event_id is None else {"event_id": reply.event_id}
        click.echo(to_json({"status": reply.status, **beside, **reply.fields()}))
    elif reply.ok:
        event_id = reply.event_id or reply.fields().get("event_id")
        say(f"{reply.status} {f'event {event_id}' if event_id else reply.one_line()}")
    else:
        raise DispatchdError(f"the answer was {reply.status} {reply.told()}")


def _overlay(defaults: dict[str, str], given: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    """Put the given headers over the default ones of the same name; doubled ones stay doubled."""
    replaced = {name.lower() for name, _ in given}
    return [(k, v) for k, v in defaults.items() if k.lower() not in replaced] + list(given)


async def _post(
    target: Target, query: str, headers: list[tuple[str, str]], body: bytes, prefix: str
) -> Reply:
    async with Poster(target.unix_path, prefix) as poster:
        return await poster.post(target, query, headers, body)


def _show(
    target: Target, query: str, headers: list[tuple[str, str]], body: bytes, *, as_json: bool
) -> None:
    """Print a request as it would go; what is in it proves this body, and is no secret."""
    url = with_query(target.url, query)
    if as_json:
        click.echo(to_json(request_fields(url, headers, body)))
        return
    say("\n".join([f"POST {url}", *(f"{name}: {value}" for name, value in headers), ""]))
    click.echo(body_text(body))
