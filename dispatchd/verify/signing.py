"""Signing as a sender would, with the endpoint's own secret: what `dispatchd send` does."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from multidict import CIMultiDict

from dispatchd.verify import keys
from dispatchd.verify.decode import json_document
from dispatchd.verify.endpoint import Auth, jwt_spec, schemes_of
from dispatchd.verify.inbound import Inbound
from dispatchd.verify.jwt_signing import sign_jwt
from dispatchd.verify.places import at
from dispatchd.verify.providers import provider_named
from dispatchd.verify.scheme import Scheme, spell
from dispatchd.verify.template import Part, Signed, compile_template, fill
from dispatchd.verify.twilio import sign_twilio


class CannotSign(Exception):  # noqa: N818 - a fact, not a mistake
    """Nobody but the sender itself can make this signature; the message says why."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be signed. `fields`, where given, are the body, and may be added to."""

    body: bytes
    content_type: str
    fields: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What is to be posted; `query` belongs behind the URL."""

    body: bytes
    headers: dict[str, str]
    query: str = ""


def sign_request(auth: Auth, draft: Draft, *, now_s: float, token: str) -> SignedRequest:
    """Sign `draft` with the endpoint's first secret, as its provider would at `now_s`.

    `token` stands wherever the scheme wants an id. A signature that belongs into the body is
    put only into `fields`. Raises CannotSign, or ValueError where the body lacks what is signed.
    """
    provider = provider_named(auth.provider)
    for scheme in schemes_of(auth, provider) if provider is not None else ():
        secret = _secret(scheme, auth.secrets)
        if secret is not None:
            return _Signing(scheme, secret, auth.url, now_s, token).sign(draft)
    spec = None if provider is None else jwt_spec(auth, provider)
    if spec is not None and auth.secrets:
        return SignedRequest(draft.body, sign_jwt(spec, auth.secrets[0], draft.body, now_s))
    if provider is not None and "twilio" in provider.coded and auth.secrets:
        headers, query = sign_twilio(auth.secrets[0], auth.url, draft.body, draft.content_type)
        return SignedRequest(draft.body, headers, query)
    raise CannotSign(f"only {auth.provider} itself has the key that signs")


def _secret(scheme: Scheme, secrets: Sequence[bytes]) -> bytes | None:
    """Return the first secret that fits a scheme; None where none does."""
    for secret in secrets:
        signing = keys.is_signing_secret(secret)
        match scheme.key:
            case "text":
                return secret
            case "token" if not signing:
                return secret
            case "signing" if signing:
                return keys.signing_secret(secret)
            case "base64":
                return keys.signing_secret(secret)
    return None


@dataclass(frozen=True, slots=True)
class _Signing:
    scheme: Scheme
    secret: bytes
    url: str
    now_s: float
    token: str

    def sign(self, draft: Draft) -> SignedRequest:
        scheme, parts = self.scheme, compile_template(self.scheme.template)
        timestamp = str(round(self.now_s / scheme.timestamp_unit_s))
        headers = {part.name: self.token for part in parts if part.kind == "header"}
        if scheme.timestamp_header:
            headers[scheme.timestamp_header] = timestamp
        body = draft.body
        if draft.fields is not None:
            self._fill(draft.fields, parts, timestamp)
            body = orjson.dumps(draft.fields)
        text = self._signature(body, draft, headers, parts, timestamp)
        if scheme.header:
            headers[scheme.header] = text
        elif draft.fields is not None:
            _put(draft.fields, scheme.path, text)
            body = orjson.dumps(draft.fields)
        return SignedRequest(body, headers)

    def _fill(self, fields: dict[str, Any], parts: Sequence[Part], timestamp: str) -> None:
        """Give the body what the scheme reads from it."""
        if self.scheme.timestamp_path:
            _put(fields, self.scheme.timestamp_path, int(timestamp))
        for part in parts:
            if part.kind == "field" and at(fields, part.name) is None:
                _put(fields, part.name, self.token)

    def _signature(
        self,
        body: bytes,
        draft: Draft,
        headers: dict[str, str],
        parts: Sequence[Part],
        timestamp: str,
    ) -> str:
        scheme = self.scheme
        if scheme.encoding == "plain":
            return self.secret.decode()
        document = draft.fields
        if document is None and any(part.kind == "field" for part in parts):
            document = json_document(body)
        if scheme.timestamp_path:
            timestamp = str(at(document, scheme.timestamp_path))
        sender = Inbound("POST", CIMultiDict(headers), "", body, self.now_s)
        message = fill(tuple(parts), Signed(sender, self.url, timestamp, document))
        signature = keys.hmac_maker(self.secret, scheme.algorithm)(message)
        return spell(scheme, signature, timestamp)


def _put(fields: dict[str, Any], path: str, value: Any) -> None:
    """Set a field by its dot path; what is in the way is replaced."""
    *way, last = path.split(".")
    for key in way:
        inner = fields.get(key)
        fields[key] = fields = dict(inner) if isinstance(inner, dict) else {}
    fields[last] = value
