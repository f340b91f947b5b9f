"""A test request, as an endpoint's sender would make it: `send` posts it, `explain` shows it."""

import json
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

import click

from dispatchd.clock import new_id
from dispatchd.errors import DispatchdError
from dispatchd.verify import CannotSign, Draft, SignedRequest, sign_request

if TYPE_CHECKING:
    from dispatchd.config import Config, EndpointConfig

_TEST_FIELDS: Final = {
    "action": "opened",
    "issue": {"title": "A test event from dispatchd send"},
}
JSON: Final = "application/json"
_ANY_HOST: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - a comparison
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)


def header(text: str) -> tuple[str, str]:
    """Return name and value of a header, spelled as curl takes it: `Name: value`."""
    name, colon, content = text.partition(":")
    content = content.strip()
    if not colon or not _TOKEN.fullmatch(name) or not content.isprintable():
        raise click.BadParameter(f"{text!r} is no header; write 'Name: value'.")
    return name, content


headers_option = click.option(
    "--header",
    "headers",
    metavar="K:V",
    type=header,
    multiple=True,
    help="A header of the request, any number of times.",
)


def draft_of(file: BinaryIO | None, content_type: str) -> Draft:
    """Return what is to be signed: `file` byte for byte, else a small JSON document."""
    if file is not None:
        return Draft(file.read(), content_type)
    fields = dict(_TEST_FIELDS)
    return Draft(json.dumps(fields, separators=(",", ":")).encode(), content_type, fields)


def signed(
    config: "Config", slug: str, draft: Draft, *, shown: bool = False, token: str | None = None
) -> SignedRequest:
    """Sign as the endpoint's provider would. Raises click.UsageError where only it can.

    `token` stands wherever the scheme wants an id, a new one unless given. What is
    `shown` has words in place of a secret that would be sent as it is.
    """
    token = new_id() if token is None else token
    auth = config.endpoints[slug].sender_auth(config.server.hook_url(slug), ())
    try:
        made = sign_request(auth, draft, now_s=time.time(), token=token)
        if shown and made.is_token:
            auth = replace(auth, secrets=(b"THE-SECRET",))
            made = sign_request(auth, draft, now_s=time.time(), token=token)
    except CannotSign as error:
        raise click.UsageError(
            f"Endpoint {slug!r} cannot be signed for: {error}; use --api-key."
        ) from error
    except ValueError as error:
        raise DispatchdError(f"cannot sign as {auth.provider}: {error}") from error
    return made


def key_headers(endpoint: "EndpointConfig", slug: str, api_key: str | None) -> dict[str, str]:
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


class Target(NamedTuple):
    """Where to post; `unix_path` where the listener is a unix socket, `shown` for people."""

    url: str
    shown: str
    unix_path: str | None = None


def target_of(config: "Config", slug: str, url: str | None) -> Target:
    """Return where to post: `url`, else the configured listener."""
    listen = config.server.listen
    if url is not None:
        return Target(url, url)
    if listen.path is not None:
        return Target(f"http://localhost/hooks/{slug}", f"unix:{listen.path}", listen.path)
    if listen.handed is not None:
        raise click.UsageError("server.listen is a socket of systemd's: say where, with --url.")
    url = _listener_url(listen.host, listen.port, slug)
    return Target(url, url)


def _listener_url(host: str, port: int, slug: str) -> str:
    if port == 0:
        raise click.UsageError("server.listen has port 0, which the system chooses: use --url.")
    host = _ANY_HOST.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/hooks/{slug}"
