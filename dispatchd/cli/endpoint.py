"""What an endpoint expects of its senders, and a request that would please it: `explain SLUG`."""

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from dispatchd.cli.request import JSON, draft_of, signed, target_of
from dispatchd.strangers import printable
from dispatchd.verify import SignedRequest

if TYPE_CHECKING:
    from dispatchd.config import Config, EndpointConfig, LinkConfig


def endpoint_fields(config: "Config", slug: str) -> dict[str, Any]:
    """Return what endpoint `slug` expects and where it leads, ready for JSON; no secrets."""
    endpoint = config.endpoints[slug]
    return {
        "endpoint": slug,
        "url": config.server.hook_url(slug) or None,
        "listen": str(config.server.listen),
        "methods": list(endpoint.methods),
        "active": endpoint.active,
        "provider": endpoint.provider,
        "proof": _proof(config, endpoint),
        "body": endpoint.body,
        "event_type_path": endpoint.event_type_path,
        "duplicates": _duplicates(endpoint),
        "filter": endpoint.filter,
        "allow_ips": [str(network) for network in endpoint.allow_ips],
        "links": [_link(config, link) for link in endpoint.destinations],
        "example": _example(config, slug),
    }


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


def _proof(config: "Config", endpoint: "EndpointConfig") -> str:
    if endpoint.auth == "none":
        return "none is asked for: anybody may send"
    keys = len(config.api_keys)
    ways = []
    if endpoint.jwt:
        ways.append("a JSON Web Token")
    elif endpoint.secret:
        count = len(endpoint.secret)
        ways.append("a signature by its secret" if count == 1 else f"one by any of {count} secrets")
    if endpoint.public_key and not endpoint.jwt:
        ways.append("a signature that its public key proves")
    if endpoint.topic:
        ways.append("a signature of Amazon SNS for its topic")
    if endpoint.webhook_id:
        ways.append("a signature by PayPal's certificate")
    if keys:
        ways.append("an API key, where nothing is signed")
    return " or ".join(ways)


def _duplicates(endpoint: "EndpointConfig") -> str:
    rule = endpoint.idempotency
    if rule is None:
        return "are kept like any other"
    place = "the sender's delivery id"
    if rule.header is not None:
        place = f"the header {rule.header}"
    elif rule.body is not None:
        place = f"the body's {rule.body}"
    answer = "409" if endpoint.on_duplicate == "reject" else "202"
    return f"are known by {place} and answered {answer}"


def _link(config: "Config", link: "LinkConfig") -> dict[str, Any]:
    destination = config.destinations[link.to]
    lists = (destination.event_types, link.event_types)
    return {
        "destination": link.to,
        "url": destination.safe_url,
        "event_types": [list(globs) for globs in lists if globs],
        "filter": link.filter,
        "transform": link.transform,
        "template": link.template,
        "rules": list(link.named_rules()),
    }


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
