"""What becomes of a webhook, step by step."""

from typing import Any, NotRequired, TypedDict, cast

from dispatchd.shapes.event import DeliveryFields
from dispatchd.shapes.message import MessageFields
from dispatchd.shapes.spelling import bytes_field
from dispatchd.strangers import utf8


class VerifiedFields(TypedDict):
    """Whether the sender is proven, by what, or why not."""

    ok: bool
    by: str | None
    why: str | None


EventTypePlace = TypedDict("EventTypePlace", {"value": str | None, "from": str | None})


class SaidFields(TypedDict):
    """What a template made: of which variant, and its tree."""

    variant: str
    tree: Any


class LinkFields(TypedDict):
    """What a link makes of it; `headers` are the names of those that would be sent.

    Where people read it, `said` is what the template says, else `message` what the destination's
    own wording does.
    """

    destination: str
    url: str
    goes: bool
    turned_away_by: str | None
    event_types: str | None
    filter: str | None
    rule: str | None
    transform: str | None
    template: str | None
    said: SaidFields | None
    message: NotRequired[MessageFields]
    headers: NotRequired[list[str]]
    body: NotRequired[str]
    body_base64: NotRequired[str]


class ExplanationFields(TypedDict):
    """Every step's verdict, as far as it goes: what is refused or a handshake ends early."""

    event_id: NotRequired[str]
    endpoint: str
    problem: NotRequired[str]
    verified: NotRequired[VerifiedFields]
    admitted: NotRequired[bool]
    body: NotRequired[str]
    event_type: NotRequired[EventTypePlace]
    idempotency_key: NotRequired[str | None]
    status: NotRequired[str]
    filtered_by: NotRequired[str | None]
    filter: NotRequired[str | None]
    notes: NotRequired[list[str]]
    links: NotRequired[list[LinkFields]]
    deliveries: NotRequired[list[DeliveryFields]]


def explanation_fields(told: dict[str, Any]) -> ExplanationFields:
    """Spell an explanation for JSON: bodies, and what a sender wrote that no UTF-8 can spell.

    What explains an endpoint has no bodies.
    """
    links = []
    for link in told.get("links", []):
        body = link.get("body")
        rest = {k: v for k, v in link.items() if k != "body"}
        links.append(rest if body is None else {**rest, **bytes_field("body", body)})
    spelled = {**told, "links": links} if "links" in told else told
    return cast("ExplanationFields", _whole(spelled))


def _whole(value: Any) -> Any:
    """Return `value` without lone surrogates, which a body may hold wherever it is quoted."""
    if isinstance(value, str):
        return utf8(value)
    if isinstance(value, dict):
        return {_whole(key): _whole(item) for key, item in value.items()}
    return [*map(_whole, value)] if isinstance(value, (list, tuple)) else value
