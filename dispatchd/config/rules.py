"""What no single value can tell: names that must exist, things that contradict each other.

The rules read the plain values, not the models, so that they find their problems also in a
config whose other parts are wrong. What a model reports already, they pass over.
"""

import uuid
from collections.abc import Iterator
from typing import Any, Final

from dispatchd.compose import header_case, own_headers
from dispatchd.config.alert_rules import check_alerts
from dispatchd.config.document import Document
from dispatchd.config.jwt import needs_audience
from dispatchd.config.model import endpoint_id
from dispatchd.config.problems import Path, is_misspelt, nearest, quoted, spell_path
from dispatchd.config.proof import check_proof
from dispatchd.config.pull_rules import check_queues, of_queue
from dispatchd.config.sender import needs_public_url
from dispatchd.config.template_rules import check_templates
from dispatchd.config.values import read_listen
from dispatchd.model import Listen
from dispatchd.verify import missing_keys, provider_names, template_headers

_KEYS: Final = ("secret", "public_key", "verify_token", "webhook_id", "url", "topic", "jwt")


def check_rules(document: Document) -> None:
    """Add a problem to `document` for each rule that is broken."""
    config = document.value
    endpoints = _mapping(config, "endpoints")
    destinations = _mapping(config, "destinations")
    has_api_keys = any(not of_queue(key) for key in _list(config, "api_keys"))
    _admin(document, config)
    _api_key_names(document, config)
    check_queues(document, config.get("admin"), _list(config, "api_keys"), destinations)
    _endpoint_ids(document, endpoints)
    _public_urls(document, config, endpoints)
    for slug, endpoint in endpoints.items():
        if isinstance(endpoint, dict):
            path: Path = ("endpoints", slug)
            _authentication(document, path, endpoint, has_api_keys=has_api_keys)
            check_proof(document, path, endpoint)
            _links(document, path, endpoint, destinations)
        elif endpoint is None and not has_api_keys:
            _authentication(document, ("endpoints", slug), {}, has_api_keys=False)
    check_templates(document, _mapping(config, "templates"), endpoints, destinations)
    for name, destination in destinations.items():
        _header_names(document, ("destinations", name, "headers"), _mapping(destination, "headers"))
        _signed_headers(document, ("destinations", name), destination)
    check_alerts(document)


def _mapping(parent: Any, key: str) -> dict[str, Any]:
    value = parent.get(key) if isinstance(parent, dict) else None
    return value if isinstance(value, dict) else {}


def _list(parent: Any, key: str) -> list[Any]:
    value = parent.get(key) if isinstance(parent, dict) else None
    return value if isinstance(value, list) else []


def _admin(document: Document, config: dict[str, Any]) -> None:
    admin = _mapping(config, "admin")
    listen = _listen(admin.get("listen"))
    if listen is None:
        return
    path: Path = ("admin", "listen")
    if not listen.is_loopback and "token" not in admin:
        document.add(
            path,
            "is open to other machines, and there is no admin.token",
            "set a token, or listen on 127.0.0.1 or a unix socket",
        )
    server = _mapping(config, "server").get("listen", "127.0.0.1:8080")
    if listen == _listen(server) and (listen.path or listen.port or listen.handed is not None):
        document.add(path, "is the same as server.listen", "give the admin listener its own")


def _listen(value: Any) -> Listen | None:
    try:
        return read_listen(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _api_key_names(document: Document, config: dict[str, Any]) -> None:
    seen: dict[str, int] = {}
    for index, api_key in enumerate(_list(config, "api_keys")):
        name = api_key.get("name") if isinstance(api_key, dict) else None
        if not isinstance(name, str):
            continue
        if name in seen:
            first = spell_path(("api_keys", seen[name]))
            document.add(
                ("api_keys", index, "name"), f"is the name of {first} too", "give each its own"
            )
        seen.setdefault(name, index)


def _endpoint_ids(document: Document, endpoints: dict[str, Any]) -> None:
    seen: dict[str, str] = {}
    for slug, endpoint in endpoints.items():
        given = endpoint.get("id") if isinstance(endpoint, dict) else None
        try:
            id_ = str(uuid.UUID(given)) if isinstance(given, str) else endpoint_id(slug)
        except ValueError:
            continue
        if id_ in seen:
            first = spell_path(("endpoints", seen[id_]))
            document.add(
                ("endpoints", slug, "id"), f"is the id of {first} too", "give each its own"
            )
        seen.setdefault(id_, slug)


def _public_urls(document: Document, config: dict[str, Any], endpoints: dict[str, Any]) -> None:
    if _mapping(config, "server").get("public_url") is not None:
        return
    for slug, endpoint in endpoints.items():
        if isinstance(endpoint, dict) and needs_public_url(endpoint):
            document.add(
                ("endpoints", slug),
                "its signature covers the public URL, which is not known",
                "set url, or server.public_url",
            )
        if isinstance(endpoint, dict) and needs_audience(endpoint):
            document.add(
                ("endpoints", slug),
                "its tokens are for the public URL, which is not known",
                "set url, server.public_url or jwt.audience",
            )


def _authentication(
    document: Document, path: Path, endpoint: dict[str, Any], *, has_api_keys: bool
) -> None:
    if endpoint.get("auth") == "none":
        for key in (*_KEYS, "signature"):
            if key in endpoint and key != "url":
                document.add(
                    (*path, "auth"),
                    f"contradicts the {key}: auth: none checks nothing",
                    "remove one of them",
                )
                return
    provider = endpoint.get("provider", "generic")
    if not isinstance(provider, str):
        return  # the model says so
    if provider not in provider_names():
        shown = document.shown.get((*path, "provider")) is not None  # it came from no reference
        document.add(
            (*path, "provider"),
            f"unknown provider{f' {quoted(provider)}' if shown else ''}",
            nearest(provider if shown else "", provider_names()),
        )
    elif provider == "generic":
        of_queues = bool(_list(document.value, "api_keys"))
        if not has_api_keys and not any(
            key in endpoint for key in ("auth", "secret", "signature", "jwt")
        ):
            document.add(
                path,
                "has no secret, and "
                + ("all api_keys are of queues" if of_queues else "there are no api_keys"),
                "set a secret, or write auth: none to accept webhooks from anybody",
            )
    elif not any(key in endpoint for key in ("auth", "signature", "jwt")):
        given = {"url", *(key for key in _KEYS if key in endpoint)}  # the URL has its own rule
        for sentence in missing_keys(provider, given):
            document.add(path, sentence)


def _links(
    document: Document, path: Path, endpoint: dict[str, Any], destinations: dict[str, Any]
) -> None:
    seen: dict[str, int] = {}
    for index, (place, target) in enumerate(_targets((*path, "destinations"), endpoint)):
        if not target:
            continue
        if target not in destinations:
            if is_misspelt("destinations", document.value):
                continue
            if place in document.shown:
                hint = nearest(target, destinations)
                document.add(place, f"unknown destination {quoted(target)}", hint)
            else:
                document.add(place, "unknown destination")
        elif target in seen:
            first = spell_path((*path, "destinations", seen[target]))
            document.add(place, f"leads where {first} leads", "keep one link to each destination")
        seen.setdefault(target, index)


def _targets(path: Path, endpoint: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """Yield each link's destination and where it is named; empty where it is not readable."""
    for index, link in enumerate(_list(endpoint, "destinations")):
        if isinstance(link, dict):
            target = link.get("to")
            yield (*path, index, "to"), target if isinstance(target, str) else ""
        else:
            yield (*path, index), link if isinstance(link, str) else ""


def _header_names(document: Document, path: Path, headers: dict[str, Any]) -> None:
    seen: dict[str, str] = {}
    for name in headers:
        if name.lower() in seen:
            document.add(
                (*path, name),
                f"is the same header as {quoted(seen[name.lower()])}",
                "remove one of them",
            )
        seen.setdefault(name.lower(), name)


def _signed_headers(document: Document, path: Path, destination: Any) -> None:
    """Refuse a template that signs a header which is not in every request."""
    signing = _mapping(destination, "signing")
    template, prefix = signing.get("template"), document.value.get("header_prefix", "dispatch")
    if not isinstance(template, str) or not isinstance(prefix, str):
        return
    always = [name for name in own_headers(header_case(prefix)) if not name.endswith("-Type")]
    always += ["Content-Type", *_mapping(destination, "headers")]
    if isinstance(signing.get("id_header"), str):
        always.append(signing["id_header"])
    known = {name.lower() for name in always}
    for name in sorted(template_headers(template) - known):
        document.add(
            (*path, "signing", "template"),
            f"signs the header {name}, which is not in every request",
            f"sign one of {', '.join(always)}",
        )
