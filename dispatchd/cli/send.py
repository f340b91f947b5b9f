"""`dispatchd send`: sign and post a test event."""

import asyncio
import json
from typing import Any, BinaryIO, Final
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from dispatchd.cli.options import config_option, json_option, unknown
from dispatchd.cli.request import (
    JSON,
    Target,
    draft_of,
    header,
    key_headers,
    signed,
    target_of,
)
from dispatchd.cli.storage import load_config
from dispatchd.cli.text import say, to_json
from dispatchd.errors import DispatchdError
from dispatchd.strangers import printable
from dispatchd.verify import SignedRequest

TIMEOUT_S: Final = 30
REPLY_MAX_BYTES: Final = 64 * 1024


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
@click.argument("slug")
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
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    slug: str,
    file: BinaryIO | None,
    config_path: str | None,
    event_type: str | None,
    headers: tuple[tuple[str, str], ...],
    url: str | None,
    api_key: str | None,
    as_json: bool,
) -> None:
    """Sign and post a test event to endpoint SLUG of the running daemon.

    The body is FILE byte for byte (- is standard input), else a small JSON document. It is
    signed with the endpoint's first secret as its provider would; where it has none, an API key
    is sent.

    \b
    Example:
      dispatchd send my-slug
      dispatchd send my-slug payload.json --event-type opened
    """  # noqa: D301 - click reads the backspace itself
    config = load_config(config_path)
    endpoint = config.endpoints.get(slug)
    if endpoint is None:
        raise click.BadParameter(
            unknown("endpoint", slug, config.endpoints) + " (in the config)", param_hint="SLUG"
        )
    prefer_key = ctx.get_parameter_source("api_key") is ParameterSource.COMMANDLINE
    content_type = next((v for k, v in headers if k.lower() == "content-type"), JSON)
    draft = draft_of(file, content_type)
    if endpoint.secret and not prefer_key:
        made = signed(config, slug, draft)
    else:
        made = SignedRequest(draft.body, key_headers(endpoint, slug, api_key))
    sent = {"Content-Type": JSON, "User-Agent": "dispatchd-send", **made.headers}
    if event_type is not None:
        name, value = header(f"X-Event-Type: {event_type}")
        sent[name] = value
    target = target_of(config, slug, url)
    status, reply, own_id = asyncio.run(
        _post(target, made.query, _overlay(sent, headers), made.body, config.header_prefix)
    )
    ok = 200 <= status < 300  # noqa: PLR2004 - HTTP's success
    if as_json:
        beside = {} if own_id is None else {"event_id": own_id}
        click.echo(to_json({"status": status, **beside, **_reply_fields(reply)}))
    elif ok:
        event_id = own_id or _reply_fields(reply).get("event_id")
        say(f"{status} {f'event {event_id}' if event_id else _one_line(reply)}")
    else:
        error = _reply_fields(reply).get("error")
        told = (
            printable(f"{error.get('code')}: {error.get('message')}")
            if isinstance(error, dict)
            else _one_line(reply)
        )
        raise DispatchdError(f"the answer was {status} {told}")
    if not ok:
        ctx.exit(1)


def _overlay(defaults: dict[str, str], given: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    """Put the given headers over the default ones of the same name; doubled ones stay doubled."""
    replaced = {name.lower() for name, _ in given}
    return [(k, v) for k, v in defaults.items() if k.lower() not in replaced] + list(given)


async def _post(
    target: Target, query: str, headers: list[tuple[str, str]], body: bytes, prefix: str
) -> tuple[int, bytes, str | None]:
    """Post and return status, reply, and the event's id where a header has it.

    That is so where the endpoint has an `answer` of its own. Raises DispatchdError where no
    reply comes.
    """
    import aiohttp  # noqa: PLC0415 - not for --help

    where = target.shown
    connector: aiohttp.BaseConnector
    if target.unix_path is not None:
        connector = aiohttp.UnixConnector(target.unix_path)
    else:
        connector = aiohttp.TCPConnector()
    url = f"{target.url}{'&' if '?' in target.url else '?'}{query}" if query else target.url
    try:
        async with (
            aiohttp.ClientSession(
                connector=connector, timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)
            ) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            reply = bytearray()
            while len(reply) < REPLY_MAX_BYTES and (chunk := await response.content.readany()):
                reply += chunk
            return response.status, bytes(reply), response.headers.get(f"X-{prefix}-Event-ID")
    except aiohttp.ClientConnectorError as error:
        why = error.os_error.strerror or str(error.os_error)
        raise DispatchdError(
            f"cannot connect to {where} ({why}): is `dispatchd serve` running?"
        ) from error
    except TimeoutError as error:
        raise DispatchdError(f"{where} gave no answer within {TIMEOUT_S} s") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise DispatchdError(f"{where} gave no proper answer: {error}") from error


def _reply_fields(reply: bytes) -> dict[str, Any]:
    """Return the reply's JSON object; of anything else, its text as `reply`."""
    try:
        document = json.loads(reply)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict):
        return document
    return {"reply": reply.decode("utf-8", "backslashreplace")}


def _one_line(reply: bytes) -> str:
    return printable(reply.decode("utf-8", "backslashreplace").strip()[:200])
