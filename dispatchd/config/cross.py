"""What only the whole file can tell: names that lead nowhere, things said twice.

Works on the plain values, not on the models, so that these problems are reported beside the
others; whatever has the wrong shape here is reported there.
"""

from collections.abc import Iterator
from typing import Any

from dispatchd.config.model import endpoint_id
from dispatchd.config.problems import nearest
from dispatchd.config.source import Source


def cross_check(source: Source) -> None:
    """Add the problems between parts of the file."""
    endpoints = _mapping(source.values.get("endpoints"))
    destinations = _mapping(source.values.get("destinations"))
    api_keys = source.values.get("api_keys")
    _check_api_keys(source, api_keys)
    ids: dict[str, str] = {}
    for slug, endpoint in endpoints.items():
        path = ("endpoints", slug)
        if not isinstance(endpoint, dict):
            continue
        if not endpoint.get("secret") and endpoint.get("auth") is None and not api_keys:
            source.add(
                path,
                "has neither a secret nor an API key in the file to check senders against",
                "add `secret:`, or `auth: none` to let anyone in",
            )
        if endpoint.get("auth") == "none" and endpoint.get("secret"):
            source.add((*path, "auth"), "contradicts `secret`", "remove one of the two")
        own_id = str(endpoint.get("id") or endpoint_id(slug)).lower()
        if own_id in ids:
            source.add((*path, "id"), f'is also the id of endpoint "{ids[own_id]}"')
        ids.setdefault(own_id, slug)
        _check_links(source, slug, endpoint, destinations)


def _check_links(
    source: Source, slug: str, endpoint: dict[str, Any], destinations: dict[str, Any]
) -> None:
    linked: set[str] = set()
    for index, name in _links(endpoint.get("destinations")):
        path = ("endpoints", slug, "destinations", index)
        if name not in destinations:
            source.add(path, f'unknown destination "{name}"', nearest(name, destinations))
        elif name in linked:
            source.add(path, f'destination "{name}" is linked twice', "merge the two links")
        linked.add(name)


def _links(value: Any) -> Iterator[tuple[int, str]]:
    for index, link in enumerate(value if isinstance(value, list) else []):
        name = link.get("to") if isinstance(link, dict) else link
        if isinstance(name, str):
            yield index, name


def _check_api_keys(source: Source, value: Any) -> None:
    names: set[str] = set()
    for index, key in enumerate(value if isinstance(value, list) else []):
        name = key.get("name") if isinstance(key, dict) else None
        if isinstance(name, str):
            if name in names:
                source.add(("api_keys", index, "name"), f'"{name}" names two keys')
            names.add(name)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
