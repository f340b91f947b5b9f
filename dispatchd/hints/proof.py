"""What proves a sender, what that covers and what it does not: read from the provider's row."""

from typing import Final

from dispatchd.verify.provider import Provider
from dispatchd.verify.scheme import Scheme
from dispatchd.verify.template import compile_template

_ALGORITHMS: Final = {"ed25519": "ed25519", "ecdsa-p256": "ECDSA P-256", "rsa-sha256": "RSA-SHA256"}
_PARTS: Final = {
    "timestamp": "the time",
    "body": "the body",
    "url": "the URL",
    "method": "the method",
}


def proof_told(provider: Provider, coded: str) -> str:
    """Name every proof of a provider, strongest first; `coded` are words for what is no row."""
    schemes = (_told(scheme) for scheme in provider.schemes)
    return "; or ".join(filter(None, dict.fromkeys((*schemes, coded))))


def uncovered(provider: Provider) -> str:
    """Say what of a webhook its signature leaves open; empty where all that is read is signed.

    Where there are several schemes, it is what the first of them leaves open.
    """
    if not provider.schemes:
        return ""
    scheme = provider.schemes[0]
    if _is_token(scheme):
        return "everything: it proves who sends, and nothing of what is sent"
    parts = compile_template(scheme.template)
    signed = {part.name.lower() for part in parts if part.kind == "header"}
    places = (provider.event_type, provider.delivery_id)
    read = dict.fromkeys(name for place in places if place is not None for name in place.headers)
    missing = [name for name in read if name.lower() not in signed]
    if not any(part.kind == "body" for part in parts):
        missing.insert(0, "the rest of the body")
    if not scheme.is_timed:
        missing.append("the time (a copy stays good)")
    return ", ".join(missing)


def _is_token(scheme: Scheme) -> bool:
    return scheme.encoding == "plain"


def _told(scheme: Scheme) -> str:
    if scheme.user is not None:
        return "the secret as the password of HTTP Basic"
    if scheme.query:
        return f"the secret as ?{scheme.query}=… in the URL"
    if _is_token(scheme):
        behind = f", behind {scheme.prefix.strip()}" if scheme.prefix else ""
        return f"the secret itself in {scheme.header}{behind}"
    algorithm = _ALGORITHMS.get(scheme.algorithm, f"HMAC-{scheme.algorithm.upper()}")
    place = scheme.header or f"body.{scheme.path}"
    return f"{algorithm} in {place}, over {_covered(scheme)}"


def _covered(scheme: Scheme) -> str:
    words = []
    for part in compile_template(scheme.template):
        if part.kind == "header":
            words.append(part.name)
        elif part.kind == "field":
            words.append("fields of the body")
        elif part.kind in _PARTS:
            words.append(_PARTS[part.kind])
    *most, last = dict.fromkeys(words)
    return f"{', '.join(most)} and {last}" if most else last
