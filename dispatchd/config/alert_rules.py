"""What no single alert can tell: names that must exist, and that none tells of its own way."""

from collections.abc import Mapping
from typing import Any, Final

from dispatchd.config.alerts import ABOUT_DESTINATIONS, KINDS
from dispatchd.config.document import Document
from dispatchd.config.problems import Path, is_misspelt, nearest, quoted, spell_path
from dispatchd.config.values import read_listen
from dispatchd.config.way import Way, way_to
from dispatchd.model import Listen

DEFAULT_LISTEN: Final = "127.0.0.1:8080"


def check_alerts(document: Document) -> None:
    """Add a problem to `document` for each rule that is broken."""
    config = document.value
    given = config.get("alerts") if isinstance(config, dict) else None
    if not isinstance(given, list):
        return
    destinations = _mapping(config, "destinations")
    told: dict[tuple[str, str], int] = {}
    for index, alert in enumerate(given):
        to = alert.get("to") if isinstance(alert, dict) else None
        if not isinstance(to, str) or not to:
            continue  # the model says so
        if to not in destinations:
            if not is_misspelt("destinations", config):
                _unknown(document, ("alerts", index, "to"), "destination", to, destinations)
            continue
        _told_once(document, index, alert, told)
        _way_of_its_own(document, ("alerts", index), alert, config)


def _told_once(
    document: Document, index: int, alert: Mapping[str, Any], told: dict[tuple[str, str], int]
) -> None:
    to = alert["to"]
    for kind in _kinds(alert):
        first = told.setdefault((to, kind), index)
        if first != index:
            document.add(
                ("alerts", index),
                f"tells {kind} to {quoted(to)}, as {spell_path(('alerts', first))} does",
                "keep one of them",
            )


def _way_of_its_own(
    document: Document, path: Path, alert: Mapping[str, Any], config: Mapping[str, Any]
) -> None:
    """Refuse an alert that would travel through all that it reports."""
    endpoints = _mapping(config, "endpoints")
    way = _way(config, alert["to"])
    about = [kind for kind in ABOUT_DESTINATIONS if kind in _kinds(alert)]
    if about and not set(_mapping(config, "destinations")) - way.destinations:
        document.add(
            path,
            f"would travel through what it reports: {quoted(alert['to'])} leads to every"
            " destination there is",
            f"send it to one of its own, or leave {', '.join(about)} out of `on`",
        )
    for slug in _mapping(alert, "quiet"):
        if slug not in endpoints:
            if is_misspelt("endpoints", config):
                continue
            _unknown(document, (*path, "quiet", slug), "endpoint", slug, endpoints)
        elif slug in way.slugs:
            document.add(
                (*path, "quiet", slug),
                "would travel through what it reports: its destination posts to that endpoint",
                "send it elsewhere",
            )


def _unknown(
    document: Document, path: Path, what: str, name: str, known: Mapping[str, Any]
) -> None:
    of_key = path[-1] != "to"
    if of_key or path in document.shown:
        hint = nearest(name, known)
        document.add(path, f"unknown {what} {quoted(name)}", hint, of_key=of_key)
    else:  # it came from a reference
        document.add(path, f"unknown {what}")


def _kinds(alert: Mapping[str, Any]) -> list[str]:
    on = alert.get("on", [kind for kind in KINDS if kind != "quiet" or "quiet" in alert])
    return list(dict.fromkeys(kind for kind in on if kind in KINDS)) if isinstance(on, list) else []


def _way(config: Mapping[str, Any], to: str) -> Way:
    server = _mapping(config, "server")
    public_url = server.get("public_url")
    urls = {
        name: url
        for name, destination in _mapping(config, "destinations").items()
        if isinstance(destination, dict) and isinstance(url := destination.get("url"), str)
    }
    links = {
        slug: [_target(link) for link in endpoint["destinations"]]
        for slug, endpoint in _mapping(config, "endpoints").items()
        if isinstance(endpoint, dict) and isinstance(endpoint.get("destinations"), list)
    }
    listen = _listen(server.get("listen", DEFAULT_LISTEN))
    return way_to(to, urls, links, listen, public_url if isinstance(public_url, str) else None)


def _target(link: Any) -> str:
    target = link.get("to") if isinstance(link, dict) else link
    return target if isinstance(target, str) else ""


def _listen(value: Any) -> Listen | None:
    try:
        return read_listen(value)
    except ValueError:
        return None


def _mapping(parent: Any, key: str) -> dict[str, Any]:
    value = parent.get(key) if isinstance(parent, dict) else None
    return value if isinstance(value, dict) else {}
