"""What an endpoint expects of its senders, and a request that would please it: `explain SLUG`."""

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from dispatchd.cli.request import JSON, draft_of, signed, target_of
from dispatchd.strangers import printable
from dispatchd.verify import SignedRequest

if TYPE_CHECKING:
    from dispatchd.config import Config


def endpoint_fields(config: "Config", slug: str) -> dict[str, Any]:
    """Return what endpoint `slug` expects and where it leads, ready for JSON; no secrets."""
    from dispatchd.config.expectation import expectation  # noqa: PLC0415 - not for --help

    return {**expectation(config, slug), "example": _example(config, slug)}


def endpoint_lines(told: dict[str, Any]) -> Iterator[str]:
    """Tell the same to people."""
    yield f"Endpoint    {told['endpoint']}"
    if not told["active"]:
        yield "Problem     the endpoint is not active: senders get 404"
    methods = " or ".join(told["methods"])
    yield f"Takes       {methods} {told['url'] or '/hooks/' + told['endpoint']} on {told['listen']}"
    yield f"Provider    {told['provider']}"
    yield f"Proof       {told['proof']}"
    yield f"Bodies      {told['body']}"
    path = f", else the body's {told['event_type_path']}" if told["event_type_path"] else ""
    yield f"Event type  as the sender's headers or its provider say{path}"
    yield f"Duplicates  {told['duplicates']}"
    if told["filter"] is not None:
        yield f"Filter      {told['filter']}"
    if told["allow_ips"]:
        yield f"Addresses   {', '.join(told['allow_ips'])}"
    for link in told["links"]:
        yield f"To          {link['destination']} at {link['url']}{_narrowed(link)}"
    if not told["links"]:
        yield "To          no destination: its events are only kept"
    yield ""
    yield "A request that it takes (`dispatchd send` makes the like):"
    yield ""
    yield from (f"  {line}" for line in told["example"].split("\n"))
    yield ""
    yield f"What becomes of a body: dispatchd explain {told['endpoint']} FILE --header K:V"


def _narrowed(link: dict[str, Any]) -> str:
    parts = [f"event types {', '.join(globs)}" for globs in link["event_types"]]
    parts += [name for name in ("filter", "transform", "template") if link[name] is not None]
    parts += [f"rules {', '.join(link['rules'])}"] if link["rules"] else []
    return f" ({'; '.join(parts)})" if parts else ""


def _example(config: "Config", slug: str) -> str:
    """Return a curl command whose signature is real, with no secret in it."""
    endpoint = config.endpoints[slug]
    try:
        where = target_of(config, slug, None)
    except click.UsageError:  # a port that the system chooses
        where = target_of(config, slug, f"http://127.0.0.1:PORT/hooks/{slug}")
    try:
        if endpoint.auth == "none":
            made = SignedRequest(draft_of(None, JSON).body, {})
        else:
            made = signed(config, slug, draft_of(None, JSON), shown=True)
    except click.UsageError:  # only the provider itself has the key
        made = _by_api_key()
    url = f"{where.url}?{made.query}" if made.query else where.url
    words = ["curl", "-X", endpoint.methods[0], shlex.quote(url)]
    if where.unix_path is not None:
        words[1:1] = ["--unix-socket", shlex.quote(where.unix_path)]
    lines = [" ".join(words)]
    lines += [
        f"-H {shlex.quote(f'{name}: {value}')}"
        for name, value in {"Content-Type": JSON, **made.headers}.items()
    ]
    lines.append(f"-d {shlex.quote(printable(made.body.decode()))}")
    return " \\\n  ".join(lines)


def _by_api_key() -> SignedRequest:
    body = draft_of(None, JSON).body
    return SignedRequest(body, {"Authorization": "Bearer THE-API-KEY"})
