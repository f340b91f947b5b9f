"""Handshakes as data: what must be echoed, from where to where; for the config and for providers.

Sources: the CloudEvents webhook specification 1.0 (section 4, "Abuse protection"), and the
providers' own documentation.
"""

import base64
import hmac
from typing import Any, Final, Literal

from dispatchd.frozen import frozen
from dispatchd.verify.handshake import (
    TEXT,
    Handshake,
    Shared,
    echoable,
    json_answer,
    query_text,
    refusal,
)
from dispatchd.verify.inbound import Answer, Inbound
from dispatchd.verify.places import at

Source = Literal["query", "body", "header"]
SHOWN_MAX_CHARS: Final = 512


@frozen
class Greeting:
    """What is echoed: the field `name` of `source`, where every one of `when` holds.

    `when` are (source, name, value). With `sign` (hex or base64) the answer is the HMAC-SHA256
    of it with the endpoint's first secret, behind `prefix`. It is answered as the JSON field
    `field`, in the header `header`, or else as text. `unproven` answers a POST without proof.
    """

    source: Source
    name: str
    when: tuple[tuple[Source, str, str], ...] = ()
    sign: str = ""
    prefix: str = ""
    field: str = ""
    header: str = ""
    unproven: bool = False


@frozen
class ShowOnce:
    """A POST without proof that brings, at a dot path, the token it will sign with."""

    path: str


HandshakeSpec = Greeting | ShowOnce | Literal["head", "cloudevents"]
"""A handshake as the config says it: data, which travels to another process."""


def handshake_of(spec: HandshakeSpec) -> Handshake:
    """Compile a handshake."""
    if isinstance(spec, Greeting):
        return greeting(spec)
    if isinstance(spec, ShowOnce):
        return show_once(spec.path)
    return NAMED[spec]


def greeting(row: Greeting) -> Handshake:
    """Compile what a row says: a query and a header are read of a GET too, a body of a POST."""

    def answer(sender: Inbound, document: Any, shared: Shared) -> Answer | None:
        if row.source == "query" and sender.method != "GET":
            return None
        if not all(
            _find(sender, document, source, name) == value for source, name, value in row.when
        ):
            return None
        found = _find(sender, document, row.source, row.name)
        if found is None and sender.method != "GET":
            return None  # an event like any other
        value = echoable(found)
        if value is None or (row.sign and not shared.secrets):
            return refusal(400, "invalid_challenge", f"{row.name} is missing or malformed")
        text = row.prefix + (_signed(value, row.sign, shared) if row.sign else value.decode())
        if row.field:
            return json_answer(200, {row.field: text})
        if row.header:
            return Answer(200, TEXT, b"", ((row.header, text),))
        return Answer(200, TEXT, text.encode())

    paths = [name for source, name, _ in row.when if source == "body"]
    if row.source == "body":
        paths.append(row.name)
    by_get = row.source != "body"
    return Handshake(
        answer,
        tuple(paths),
        frozenset({"GET"}) if by_get else frozenset(),
        row.unproven or row.source == "header",
        bool(row.sign),
    )


def _find(sender: Inbound, document: Any, source: Source, name: str) -> Any:
    if source == "query":
        return query_text(sender, name)
    if source == "body":
        return at(document, name)
    values = sender.headers.getall(name, [])
    return values[0] if len(values) == 1 else None


def _signed(value: bytes, spelled: str, shared: Shared) -> str:
    digest = hmac.digest(shared.secrets[0], value, "sha256")
    return digest.hex() if spelled == "hex" else base64.b64encode(digest).decode()


def show_once(path: str) -> Handshake:
    """Answer a POST without proof that brings the token it will sign with, and show that."""

    def answer(_sender: Inbound, document: Any, _shared: Shared) -> Answer | None:
        token = echoable(at(document, path))
        if token is None:
            return None
        return Answer(200, TEXT, b"", shown=token.decode()[:SHOWN_MAX_CHARS])

    return Handshake(answer, (path,), unproven=True)


def _head(sender: Inbound, _document: Any, _shared: Shared) -> Answer | None:
    return Answer(200, TEXT, b"") if sender.method == "HEAD" else None


def _cloudevents(sender: Inbound, _document: Any, _shared: Shared) -> Answer | None:
    """`OPTIONS` asks whether its origin may send, and how often: it may, at any rate."""
    if sender.method != "OPTIONS":
        return None
    origin = echoable(_find(sender, None, "header", "WebHook-Request-Origin"))
    if origin is None:
        return refusal(400, "invalid_challenge", "WebHook-Request-Origin is missing or malformed")
    return Answer(
        200,
        TEXT,
        b"",
        (
            ("WebHook-Allowed-Origin", origin.decode()),
            ("WebHook-Allowed-Rate", "*"),
            ("Allow", "OPTIONS, POST"),
        ),
    )


def _event_grid(_sender: Inbound, document: Any, _shared: Shared) -> Answer | None:
    """Echo the code of an Event Grid's subscription validation event."""
    if at(document, "0.eventType") != "Microsoft.EventGrid.SubscriptionValidationEvent":
        return None
    code = echoable(at(document, "0.data.validationCode"))
    if code is None:
        return refusal(400, "invalid_challenge", "validationCode is missing or malformed")
    return json_answer(200, {"validationResponse": code.decode()})


def _woocommerce(_sender: Inbound, document: Any, _shared: Shared) -> Answer | None:
    """Answer the unsigned ping of a webhook that was just saved: a form with its id alone."""
    if not isinstance(document, dict) or list(document) != ["webhook_id"]:
        return None
    return Answer(200, TEXT, b"")


head: Final = Handshake(_head, methods=frozenset({"HEAD"}))
cloudevents: Final = Handshake(_cloudevents, methods=frozenset({"OPTIONS"}))
NAMED: Final = {"head": head, "cloudevents": cloudevents}
event_grid: Final = Handshake(_event_grid, ("0.eventType", "0.data.validationCode"))
woocommerce: Final = Handshake(_woocommerce, ("{}",), unproven=True)
dropbox: Final = greeting(Greeting("query", "challenge"))
okta: Final = greeting(Greeting("header", "X-Okta-Verification-Challenge", field="verification"))
twitch: Final = greeting(
    Greeting(
        "body",
        "challenge",
        when=(("header", "Twitch-Eventsub-Message-Type", "webhook_callback_verification"),),
    )
)
notion: Final = show_once("verification_token")
