"""The whole judgement of one webhook, spelled out: what receive would do, without doing it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from multidict import CIMultiDict

from dispatchd.config import Config, LinkConfig
from dispatchd.expressions.pool import Expressions, Value
from dispatchd.match import EVENT_TYPE_HEADERS, Subject, event_type
from dispatchd.receive.content import Content, read_content
from dispatchd.receive.decide import decide
from dispatchd.receive.document import NotJson
from dispatchd.receive.routes import Route
from dispatchd.verify import Genuine, Rejected, Sender


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A webhook to explain. `auth` is what a stored event's sender was verified by."""

    headers: Sequence[tuple[str, str]]
    body: bytes
    source_ip: str | None
    now_ms: int
    stored: bool
    auth: str | None = None


async def explain(
    config: Config, route: Route, asked: Inquiry, expressions: Expressions
) -> dict[str, Any]:
    """Return every step's verdict, in the order in which they are taken, ready for JSON."""
    headers: CIMultiDict[str] = CIMultiDict(asked.headers)
    told: dict[str, Any] = {"endpoint": route.slug, "verified": _verified(route, headers, asked)}
    try:
        content = read_content(asked.body, headers.get("Content-Type", ""), route.bodies)
    except NotJson as error:
        return {**told, "body": f"refused, 400: {error}", "status": "refused", "links": []}
    if not asked.stored and told["verified"]["ok"] is False:
        told["status"] = "refused"
        return {**told, "links": []}
    kind, source = _event_type(route, headers, content)
    rule = route.idempotency
    key = None if rule is None else rule.of(headers, content.document, route.verifier, 0)
    subject = Subject(kind, headers, content.document, asked.source_ip)
    decision = await decide(route, subject, expressions)
    links = {link.to: link for link in config.endpoints[route.slug].destinations}
    return {
        **told,
        "event_type": {"value": kind, "from": source},
        "idempotency_key": None if key is None else key.key,
        "status": "received" if decision.filtered_by is None else "filtered",
        "filtered_by": decision.filtered_by,
        "notes": list(decision.notes),
        "links": [
            {
                "destination": verdict.destination,
                "url": config.destinations[verdict.destination].safe_url,
                "goes": verdict.turned_away_by is None,
                "turned_away_by": verdict.turned_away_by,
                **await _sent(links[verdict.destination], asked.body, expressions),
            }
            for verdict in decision.links
        ],
    }


def _verified(route: Route, headers: CIMultiDict[str], asked: Inquiry) -> dict[str, Any]:
    if asked.stored:  # its signature was not kept, but what it proved was
        return {"ok": True, "by": asked.auth, "why": None}
    sender = Sender("POST", headers, "", asked.body, asked.now_ms / 1000)
    match route.verifier.verify(sender):
        case Genuine(by=by):
            return {"ok": True, "by": by, "why": None}
        case Rejected(code=code, message=message):
            return {"ok": False, "by": None, "why": f"{code}: {message}"}


def _event_type(
    route: Route, headers: Mapping[str, str], content: Content
) -> tuple[str | None, str | None]:
    """Return the event type and where it stands."""
    own = route.verifier.event_type(headers, content.document)  # type: ignore[arg-type]  # a multi-mapping
    kind = event_type(headers, content.document, route.event_type_path, own)
    if kind is None:
        return None, None
    for name in EVENT_TYPE_HEADERS:
        if headers.get(name):
            return kind, f"header {name}"
    if own:
        return kind, f"provider {route.verifier.provider}"
    return kind, f"path {'.'.join(route.event_type_path)}"


async def _sent(link: LinkConfig, body: bytes, expressions: Expressions) -> dict[str, Any]:
    """Return what would be sent over a link, and what its transform said."""
    if link.transform is None:
        return {"transform": None, "body": body}
    result = await expressions.evaluate(link.transform, body)
    if isinstance(result, Value):
        return {"transform": "applied", "body": result.json}
    if link.on_transform_error == "fail":
        return {"transform": f"failed: {result.reason}", "body": None}
    return {"transform": f"failed, original sent: {result.reason}", "body": body}
