"""An explanation in words, for people: the same on a terminal and on a page.

Texts are as they came: whoever shows them makes strangers' characters harmless.
"""

from collections.abc import Iterator, Mapping
from typing import Any


def facts_said(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is told of the event as a whole, in the order in which it is judged."""
    yield "Endpoint", told["endpoint"]
    if "problem" in told:
        yield "Problem", told["problem"]
    if not told.get("admitted", True):
        yield "Address", "not in allow_ips, 403"
    if "verified" in told:
        yield "Verified", _proof(told["verified"])
    if "body" in told:
        yield "Body", told["body"]
    if "event_type" in told:
        kind, key = told["event_type"], told["idempotency_key"]
        came = f" (from {kind['from']})" if kind["from"] else ""
        yield "Event type", f"{'none' if kind['value'] is None else kind['value']}{came}"
        yield "Duplicates", "no key" if key is None else f"known by {key}"
    if "status" in told:
        yield "Status", _status(told)
    yield from (("Filter", text) for text in [told.get("filter")] if text)
    yield from (("Note", note) for note in told.get("notes", []))


def link_said(link: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what each step of a link said, and what it would make of the event."""
    yield from ((name, link[key]) for name, key in _ASKED if link[key])
    if link["goes"]:
        yield from ((key, link[key]) for key in ("transform", "template") if link[key] is not None)


_ASKED = (("event types", "event_types"), ("filter", "filter"), ("rule", "rule"))


def _proof(verified: Mapping[str, Any]) -> str:
    if verified["ok"]:
        return f"by {verified['by'] or 'means unknown'}"
    status = 503 if verified["why"].partition(":")[0].endswith("_unavailable") else 401
    return f"no, {status}: {verified['why']}"


def _status(told: Mapping[str, Any]) -> str:
    if told["status"] not in ("received", "filtered", "refused"):
        return str(told["status"])
    judged = f"filtered by {told['filtered_by']}" if told.get("filtered_by") else "received"
    if told["status"] != "refused":
        return judged
    return f"refused; were it not, {judged}" if "event_type" in told else "refused"
