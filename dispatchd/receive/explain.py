"""The whole judgement of one webhook, spelled out: what receive would do, without doing it."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Final
from uuid import UUID

from multidict import CIMultiDict

from dispatchd.frozen import frozen
from dispatchd.match import (
    EVENT_TYPE_HEADERS,
    Filter,
    PlainFilter,
    Subject,
)
from dispatchd.model import Event, EventStatus
from dispatchd.receive.answers import Refusal
from dispatchd.receive.decision import LinkVerdict
from dispatchd.receive.judge import Judge, Judgement
from dispatchd.receive.routes import Route
from dispatchd.receive.spec import LinkSpec, RouteSpec
from dispatchd.receive.whither import ENDPOINT_FILTER, link_filter, turned_away_by
from dispatchd.verify import Answer, Inbound, storable_headers

ACTUAL_MAX_CHARS: Final = 100  # of a value that a filter turned away


@frozen
class Inquiry:
    """A webhook to explain. `auth` is what a stored event's sender was verified by, with its id.

    `query` is what stands behind the URL's question mark, for signatures that cover it.
    """

    headers: Sequence[tuple[str, str]]
    body: bytes
    source_ip: str | None
    now_ms: int
    stored: bool
    auth: str | None = None
    query: str = ""
    event_id: str | None = None
    forward_headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @classmethod
    def about(cls, event: Event) -> "Inquiry":
        """Ask about a stored event, at the time of its receipt."""
        return cls(
            headers=with_content_type(event.headers, event.content_type),
            body=event.body,
            source_ip=event.source_ip,
            now_ms=event.received_ms,
            stored=True,
            auth=event.auth,
            event_id=event.id,
            forward_headers=event.forward_headers,
        )


def with_content_type(
    headers: Sequence[tuple[str, str]], content_type: str
) -> list[tuple[str, str]]:
    """Return headers with a Content-Type: their own, else the one given."""
    named = any(name.lower() == "content-type" for name, _ in headers)
    return [*headers] if named else [*headers, ("Content-Type", content_type)]


def event_asked(route: Route, asked: Inquiry, told: Mapping[str, Any]) -> Event:
    """Return the event that `explain` told of, as a destination would be handed it."""
    going = [link["destination"] for link in told["links"] if link["goes"]]
    kept = route.proofs_to_keep(going, CIMultiDict(asked.headers))
    proofs = asked.forward_headers if asked.stored else kept
    return replace(_event(route, asked, told["event_type"]["value"]), forward_headers=proofs)


def _event(route: Route, asked: Inquiry, event_type: str | None) -> Event:
    headers: CIMultiDict[str] = CIMultiDict(asked.headers)
    return Event(
        id=asked.event_id or str(UUID(int=0)),
        endpoint=route.slug,
        endpoint_id=route.endpoint_id,
        received_ms=asked.now_ms,
        event_type=event_type,
        source_ip=asked.source_ip,
        status=EventStatus.RECEIVED,
        filtered_by=None,
        content_type=headers.get("Content-Type", ""),
        headers=storable_headers(headers, route.verifier.secret_headers),
        body=asked.body,
        auth=asked.auth,
    )


# Says what would be sent over the link to a destination where a rule matched.
Over = Callable[[str, str | None], Awaitable[dict[str, Any]]]


@frozen
class Explained:
    """An endpoint to explain by: its route, and what that was made of.

    `urls` are what may be shown of its destinations' addresses. `would_send` is given the event
    and how its body was read.
    """

    route: Route
    spec: RouteSpec
    urls: Mapping[str, str]
    max_body_bytes: int
    would_send: Callable[[Event, str], Over]


async def explain(by: Explained, asked: Inquiry, judge: Judge) -> dict[str, Any]:
    """Return every step's verdict, in the order in which they are taken, ready for JSON.

    They are the receiver's own, by the same judge; here a refusal is told and not the end.
    """
    route = by.route
    headers: CIMultiDict[str] = CIMultiDict(asked.headers)
    sender = Inbound("POST", headers, asked.query, asked.body, asked.now_ms / 1000)
    verified, greeted = await _verified(route, sender, asked, judge)
    told: dict[str, Any] = {"endpoint": route.slug, "verified": verified}
    max_bytes = by.max_body_bytes
    if len(asked.body) > max_bytes:
        refusal = f"refused, 413: it is over {max_bytes} bytes"
        return {**told, "body": refusal, "status": "refused", "links": []}
    if greeted is not None:
        return {**told, "status": _greeted(greeted), "links": []}
    admitted = True
    if asked.source_ip is not None and route.admission is not None:
        admitted = told["admitted"] = route.admission.lets_in(asked.source_ip)
    try:
        content = await judge.read(route, sender, proven=True)
    except Refusal as error:
        said = f"refused, {error.status}: {error.message}"
        return {**told, "body": said, "status": "refused", "links": []}
    handshakes = not asked.stored and told["verified"]["ok"]
    judgement = await judge.judge(route, sender, content, asked.source_ip, handshakes=handshakes)
    decision, subject = judgement.decision, judgement.subject
    if decision is None:
        return {**told, "status": _greeted(judgement.handshake), "links": []}
    kind = subject.event_type
    links = {link.destination: link for link in by.spec.links}
    status = "received" if decision.filtered_by is None else "filtered"
    over = by.would_send(_event(route, asked, kind), content.content_type)
    return {
        **told,
        "event_type": {"value": kind, "from": _place_of_type(route, headers, judgement)},
        "idempotency_key": None if judgement.idempotency is None else judgement.idempotency.key,
        "status": status if told["verified"]["ok"] and admitted else "refused",
        "filtered_by": decision.filtered_by,
        "filter": _filter_said(
            route.filter,
            subject,
            decision.notes,
            ENDPOINT_FILTER,
            passed=decision.filtered_by != "filter",
        ),
        "notes": list(judgement.notes),
        "links": [
            {
                "destination": verdict.destination,
                "url": by.urls[verdict.destination],
                "goes": verdict.turned_away_by is None,
                "turned_away_by": turned_away_by(verdict),
                "event_types": _event_types_said(links[verdict.destination], verdict),
                "filter": _link_filter_said(route, verdict, subject, decision.notes),
                "rule": _rule_said(links[verdict.destination], verdict),
                **await over(verdict.destination, verdict.rule),
            }
            for verdict in decision.links
        ],
    }


def _greeted(answer: Answer | None) -> str:
    answered = 0 if answer is None else answer.status
    return f"a handshake, answered {answered} at once; nothing is stored"


async def _verified(
    route: Route, sender: Inbound, asked: Inquiry, judge: Judge
) -> tuple[dict[str, Any], Answer | None]:
    """Return whether the sender is proven, and the answer to a handshake that needs no proof."""
    if asked.stored:  # its signature was not kept, but what it proved was
        return {"ok": True, "by": asked.auth, "why": None}, None
    try:
        proof, _ = await judge.prove(route, sender)
    except Refusal as refusal:
        if refusal.code == "invalid_json":  # proven: what it says is another step's to judge
            return {"ok": True, "by": None, "why": None}, None
        why = f"{refusal.code}: {refusal.message}"
        greeted = await judge.greet(route, sender, refusal)
        return {"ok": False, "by": None, "why": why}, greeted
    return {"ok": True, "by": proof.by, "why": None}, None


def _place_of_type(route: Route, headers: Mapping[str, str], judgement: Judgement) -> str | None:
    """Return where the event type stands."""
    if judgement.subject.event_type is None:
        return None
    if route.verifier.named_type(headers) is not None:  # type: ignore[arg-type]  # a multi-mapping
        return f"header {route.verifier.event_type_header}"
    for name in EVENT_TYPE_HEADERS:
        if headers.get(name):
            return f"header {name}"
    if judgement.own_type:
        return f"provider {route.verifier.provider}"
    return f"path {'.'.join(route.event_type_path)}"


def _filter_said(
    chosen: Filter | None, subject: Subject, notes: Sequence[str], name: str, *, passed: bool
) -> str | None:
    """Say what a filter said, and why; None where there is none."""
    if chosen is None:
        return None
    for note in notes:
        for said in ("failed", "was not asked"):
            if note.startswith(start := f"{name} {said}: "):
                return f"{said}, so the event goes on: {note.removeprefix(start)}"
    if passed:
        return "lets it through"
    if isinstance(chosen, PlainFilter):
        first = next(c for c in chosen.conditions if not c.holds(subject))
        actual = json.dumps(first.actual(subject), ensure_ascii=False, default=str)
        return f"turns it away: {first.key} is {actual[:ACTUAL_MAX_CHARS]}"
    return "turns it away: the expression is false"


def _link_filter_said(
    route: Route, verdict: LinkVerdict, subject: Subject, notes: Sequence[str]
) -> str | None:
    link = next(link for link in route.links if link.destination == verdict.destination)
    if verdict.turned_away_by == "event_types":
        return None if link.filter is None else "is not asked"
    name = link_filter(verdict.destination)
    return _filter_said(link.filter, subject, notes, name, passed=verdict.turned_away_by is None)


def _rule_said(link: LinkSpec, verdict: LinkVerdict) -> str | None:
    """Say which rule decides; None where there is none to ask, or none was."""
    if not link.rules or verdict.turned_away_by in ("event_types", "filter"):
        return None
    if verdict.rule is None:
        return "none of its rules matches"
    return f"{verdict.rule}{', which skips' if verdict.turned_away_by else ''}"


def _event_types_said(link: LinkSpec, verdict: LinkVerdict) -> str | None:
    """Say what the two lists said; None where both take everything."""
    lists = {
        f"destinations.{link.destination}": link.destination_event_types,
        f"the link to {link.destination}": link.event_types,
    }
    asked = [f"{', '.join(globs)} (of {place})" for place, globs in lists.items() if globs]
    if not asked:
        return None
    said = "turn it away" if verdict.turned_away_by == "event_types" else "let it through"
    return f"{said}: {'; '.join(asked)}"
