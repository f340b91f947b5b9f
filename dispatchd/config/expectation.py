"""What an endpoint expects of its senders, and where it leads: for people, without a secret."""

from typing import Any

from dispatchd.config.link import LinkConfig
from dispatchd.config.model import Config, EndpointConfig


def expectation(config: Config, slug: str) -> dict[str, Any]:
    """Return what endpoint `slug` expects and where it leads, ready for JSON."""
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
        "filter": config.as_written(endpoint.filter),
        "allow_ips": [str(network) for network in endpoint.allow_ips],
        "links": [_link(config, link) for link in endpoint.destinations],
    }


def _proof(config: Config, endpoint: EndpointConfig) -> str:
    if endpoint.auth == "none":
        return "none is asked for: anybody may send"
    keys = len(config.endpoint_keys())
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


def _duplicates(endpoint: EndpointConfig) -> str:
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


def _link(config: Config, link: LinkConfig) -> dict[str, Any]:
    destination = config.destinations[link.to]
    lists = (destination.event_types, link.event_types)
    return {
        "destination": link.to,
        "url": destination.safe_url,
        "event_types": [list(globs) for globs in lists if globs],
        "filter": config.as_written(link.filter),
        "transform": config.as_written(link.transform),
        "template": link.template,
        "rules": list(link.named_rules()),
    }
