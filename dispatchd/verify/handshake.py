"""Handshakes: what a provider asks to see whether the endpoint is alive and knows the secret.

Answered at once, never stored. What is echoed or signed is limited in characters and length, so
that no answer can be HTML, and no signature given away here fits a request that would be taken
for an event.
"""

import base64
import hmac
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any, Final, NamedTuple

from dispatchd.frozen import frozen
from dispatchd.verify.inbound import Answer, Inbound, query_field
from dispatchd.verify.places import at

TEXT: Final = "text/plain; charset=utf-8"
JSON: Final = "application/json"
_ECHO: Final = re.compile(r"[A-Za-z0-9_.\-=+/]{1,512}", re.ASCII)


@frozen
class Shared:
    """What an endpoint shares with its provider, as far as a handshake needs it."""

    secrets: Sequence[bytes] = field(repr=False)
    verify_token: bytes = field(repr=False)


Answering = Callable[[Inbound, Any, Shared], Answer | None]


class Handshake(NamedTuple):
    """How to answer a handshake; `paths` are the dot paths it follows into the body.

    It is asked of every proven POST, of the other `methods` without any proof, and with
    `unproven` also of a POST that carries none. `signs` says that its answer is an HMAC with the
    endpoint's secret.
    """

    answer: Answering
    paths: tuple[str, ...] = ()
    methods: frozenset[str] = frozenset()
    unproven: bool = False
    signs: bool = False


NO_HANDSHAKE: Final = Handshake(lambda _sender, _document, _shared: None)


def first_of(handshakes: Sequence[Handshake]) -> Handshake:
    """Return several handshakes as one: the first that has an answer gives it."""
    if not handshakes:
        return NO_HANDSHAKE
    if len(handshakes) == 1:
        return handshakes[0]

    def answer(sender: Inbound, document: Any, shared: Shared) -> Answer | None:
        answers = (shake.answer(sender, document, shared) for shake in handshakes)
        return next((found for found in answers if found is not None), None)

    return Handshake(
        answer,
        tuple(path for shake in handshakes for path in shake.paths),
        frozenset().union(*(shake.methods for shake in handshakes)),
        any(shake.unproven for shake in handshakes),
        any(shake.signs for shake in handshakes),
    )


def _slack(_sender: Inbound, document: Any, _shared: Shared) -> Answer | None:
    """`url_verification`: echo the challenge."""
    if at(document, "type") != "url_verification":
        return None
    challenge = echoable(at(document, "challenge"))
    if challenge is None:
        return refusal(400, "invalid_challenge", "the challenge is missing or malformed")
    return Answer(200, TEXT, challenge)


def _zoom(_sender: Inbound, document: Any, shared: Shared) -> Answer | None:
    """`endpoint.url_validation`: sign the plain token with the secret token."""
    if at(document, "event") != "endpoint.url_validation":
        return None
    token = echoable(at(document, "payload.plainToken"))
    if token is None or not shared.secrets:
        return refusal(400, "invalid_challenge", "plainToken is missing or malformed")
    signed = hmac.digest(shared.secrets[0], token, "sha256").hex()
    return json_answer(200, {"plainToken": token.decode(), "encryptedToken": signed})


def _discord(_sender: Inbound, document: Any, _shared: Shared) -> Answer | None:
    """Type 0 is the ping of webhook events, type 1 without an event that of interactions."""
    kind = at(document, "type")
    if isinstance(kind, bool) or not isinstance(kind, int) or at(document, "event") is not None:
        return None
    if kind == 0:
        return Answer(204, TEXT, b"")
    return json_answer(200, {"type": 1}) if kind == 1 else None


def _x(sender: Inbound, _document: Any, shared: Shared) -> Answer | None:
    """Sign `crc_token` with the consumer secret, on GET.

    Anyone may ask, and the answer has the form of an event's signature: the echo's characters
    leave no room for a JSON object, and the scheme accepts nothing but objects.
    """
    if sender.method != "GET":
        return None
    token = echoable(query_text(sender, "crc_token"))
    if token is None or not shared.secrets:
        return refusal(400, "invalid_challenge", "crc_token is missing or malformed")
    signed = base64.b64encode(hmac.digest(shared.secrets[0], token, "sha256")).decode()
    return json_answer(200, {"response_token": f"sha256={signed}"})


def _meta(sender: Inbound, _document: Any, shared: Shared) -> Answer | None:
    """Echo `hub.challenge` on GET to whoever knows the verify token."""
    if sender.method != "GET":
        return None
    token = query_text(sender, "hub.verify_token") or ""
    known = bool(shared.verify_token) and hmac.compare_digest(
        token.encode("utf-8", "replace"), shared.verify_token
    )
    if query_text(sender, "hub.mode") != "subscribe" or not known:
        return refusal(403, "invalid_verify_token", "hub.verify_token is not the endpoint's")
    challenge = echoable(query_text(sender, "hub.challenge"))
    if challenge is None:
        return refusal(400, "invalid_challenge", "hub.challenge is missing or malformed")
    return Answer(200, TEXT, challenge)


def echoable(value: Any) -> bytes | None:
    """Return what may be echoed, as bytes: no HTML, and no JSON object either; else None."""
    return value.encode() if isinstance(value, str) and _ECHO.fullmatch(value) else None


def query_text(sender: Inbound, name: str) -> str | None:
    """Return a field of the query; None where it is missing or doubled."""
    try:
        return query_field(sender.query, name)
    except ValueError:
        return None


def refusal(status: int, code: str, message: str) -> Answer:
    """Return the error document of a handshake that is none."""
    return json_answer(status, {"error": {"code": code, "message": message}})


def json_answer(status: int, document: Any) -> Answer:
    """Return a document as the answer."""
    return Answer(status, JSON, json.dumps(document, separators=(",", ":")).encode())


slack: Final = Handshake(_slack, ("type", "challenge"))
zoom: Final = Handshake(_zoom, ("event", "payload.plainToken"), signs=True)
discord: Final = Handshake(_discord, ("type", "event"))
x: Final = Handshake(_x, methods=frozenset({"GET"}), signs=True)
meta: Final = Handshake(_meta, methods=frozenset({"GET"}))
