"""`dispatchd send`: sign and post a test event."""

import asyncio
import json
import re
import time
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from dispatchd.cli.options import config_option, json_option, unknown
from dispatchd.cli.storage import load_config
from dispatchd.cli.text import to_json
from dispatchd.clock import new_id
from dispatchd.errors import DispatchdError
from dispatchd.strangers import printable
from dispatchd.verify import CannotSign, Draft, SignedRequest, sign_request

if TYPE_CHECKING:
    from dispatchd.config import Config, EndpointConfig

TEST_FIELDS: Final = {
    "action": "opened",
    "issue": {"title": "A test event from dispatchd send"},
}
JSON: Final = "application/json"
TIMEOUT_S: Final = 30
REPLY_MAX_BYTES: Final = 64 * 1024
ANY_HOST: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - a comparison
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)


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


def header(text: str) -> tuple[str, str]:
    """Return name and value of a header, spelled as curl takes it: `Name: value`."""
    name, colon, content = text.partition(":")
    content = content.strip()
    if not colon or not _TOKEN.fullmatch(name) or not content.isprintable():
        raise click.BadParameter(f"{text!r} is no header; write 'Name: value'.")
    return name, content


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
    draft = _draft(file, content_type)
    if endpoint.secret and not prefer_key:
        signed = _signed(config, slug, draft)
    else:
        signed = SignedRequest(draft.body, _key_headers(endpoint, slug, api_key))
    sent = {"Content-Type": JSON, "User-Agent": "dispatchd-send", **signed.headers}
    if event_type is not None:
        name, value = header(f"X-Event-Type: {event_type}")
        sent[name] = value
    target = _target(config, slug, url)
    status, reply = asyncio.run(_post(target, signed.query, _overlay(sent, headers), signed.body))
    ok = 200 <= status < 300  # noqa: PLR2004 - HTTP's success
    if as_json:
        click.echo(to_json({"status": status, **_reply_fields(reply)}))
    elif ok:
        event_id = _reply_fields(reply).get("event_id")
        click.echo(f"{status} {f'event {event_id}' if event_id else _one_line(reply)}")
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


def _draft(file: BinaryIO | None, content_type: str) -> Draft:
    if file is not None:
        return Draft(file.read(), content_type)
    fields = dict(TEST_FIELDS)
    return Draft(json.dumps(fields, separators=(",", ":")).encode(), content_type, fields)


def _signed(config: "Config", slug: str, draft: Draft) -> SignedRequest:
    """Sign as the endpoint's provider would."""
    auth = config.endpoints[slug].sender_auth(config.server.hook_url(slug), ())
    try:
        return sign_request(auth, draft, now_s=time.time(), token=new_id())
    except CannotSign as error:
        raise click.UsageError(
            f"Endpoint {slug!r} cannot be signed for: {error}; use --api-key."
        ) from error
    except ValueError as error:
        raise DispatchdError(f"cannot sign as {auth.provider}: {error}") from error


def _key_headers(endpoint: "EndpointConfig", slug: str, api_key: str | None) -> dict[str, str]:
    """Return the header that proves by API key; none where nothing is asked for."""
    if api_key is not None:
        if not (api_key.isascii() and api_key.isprintable()):
            raise click.UsageError("The API key holds characters that no API key has.")
        return {"Authorization": f"Bearer {api_key}"}
    if endpoint.auth != "none":
        raise click.UsageError(
            f"Endpoint {slug!r} has no secret to sign with:"
            " set DISPATCHD_API_KEY to an API key (`dispatchd key new`), or use --api-key."
        )
    return {}


def _overlay(defaults: dict[str, str], given: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    """Put the given headers over the default ones of the same name; doubled ones stay doubled."""
    replaced = {name.lower() for name, _ in given}
    return [(k, v) for k, v in defaults.items() if k.lower() not in replaced] + list(given)


class Target(NamedTuple):
    """Where to post; `unix_path` where the listener is a unix socket, `shown` for people."""

    url: str
    shown: str
    unix_path: str | None = None


def _target(config: "Config", slug: str, url: str | None) -> Target:
    listen = config.server.listen
    if url is not None:
        return Target(url, url)
    if listen.path is not None:
        return Target(f"http://localhost/hooks/{slug}", f"unix:{listen.path}", listen.path)
    url = _listener_url(listen.host, listen.port, slug)
    return Target(url, url)


async def _post(
    target: Target, query: str, headers: list[tuple[str, str]], body: bytes
) -> tuple[int, bytes]:
    """Post and return status and reply. Raises DispatchdError where no reply comes."""
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
            return response.status, bytes(reply)
    except aiohttp.ClientConnectorError as error:
        why = error.os_error.strerror or str(error.os_error)
        raise DispatchdError(
            f"cannot connect to {where} ({why}): is `dispatchd serve` running?"
        ) from error
    except TimeoutError as error:
        raise DispatchdError(f"{where} gave no answer within {TIMEOUT_S} s") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise DispatchdError(f"{where} gave no proper answer: {error}") from error


def _listener_url(host: str, port: int, slug: str) -> str:
    if port == 0:
        raise click.UsageError("server.listen has port 0, which the system chooses: use --url.")
    host = ANY_HOST.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/hooks/{slug}"


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
