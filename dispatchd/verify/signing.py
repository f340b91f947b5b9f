"""Signing as a sender would, with the endpoint's own secret: what `dispatchd send` does."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import orjson
from multidict import CIMultiDict

from dispatchd.frozen import frozen
from dispatchd.verify import decode, keys
from dispatchd.verify.endpoint import Auth, jwt_spec, schemes_of
from dispatchd.verify.inbound import Inbound
from dispatchd.verify.jwt_signing import sign_jwt
from dispatchd.verify.places import at
from dispatchd.verify.providers import provider_named
from dispatchd.verify.scheme import ANY_USER, Scheme, key_bytes, spell
from dispatchd.verify.template import Part, Signed, compile_template, fill
from dispatchd.verify.twilio import sign_twilio


class CannotSign(Exception):  # noqa: N818 - a fact, not a mistake
    """Nobody but the sender itself can make this signature; the message says why."""


@frozen
class Draft:
    """What is to be signed. `fields`, where given, are the body, and may be added to."""

    body: bytes
    content_type: str
    fields: dict[str, Any] | None = None


@frozen
class SignedRequest:
    """What is to be posted; `query` belongs behind the URL.

    `is_token` says that the secret itself is in it.
    """

    body: bytes
    headers: dict[str, str]
    query: str = ""
    is_token: bool = False


def sign_request(auth: Auth, draft: Draft, *, now_s: float, token: str) -> SignedRequest:
    """Sign `draft` with the endpoint's first secret, as its provider would at `now_s`.

    `token` stands wherever the scheme wants an id. A signature that belongs into the body is
    put only into `fields`. Raises CannotSign, or ValueError where the body lacks what is signed.
    """
    provider = provider_named(auth.provider)
    for scheme in schemes_of(auth, provider) if provider is not None else ():
        secret = next(filter(None, (key_bytes(scheme, one) for one in auth.secrets)), None)
        if secret is not None:
            return _Signing(scheme, secret, auth.url, now_s, token).sign(draft)
    spec = None if provider is None else jwt_spec(auth, provider)
    if spec is not None and auth.secrets:
        return SignedRequest(draft.body, sign_jwt(spec, auth.secrets[0], draft.body, now_s))
    if provider is not None and "twilio" in provider.coded and auth.secrets:
        headers, query = sign_twilio(auth.secrets[0], auth.url, draft.body, draft.content_type)
        return SignedRequest(draft.body, headers, query)
    raise CannotSign(f"only {auth.provider} itself has the key that signs")


@frozen
class _Signing:
    scheme: Scheme
    secret: bytes
    url: str
    now_s: float
    token: str

    def sign(self, draft: Draft) -> SignedRequest:
        scheme, parts = self.scheme, compile_template(self.scheme.template)
        timestamp = decode.spelled_time(self.now_s, scheme.timestamp_unit)
        headers = {
            part.name: self.token for part in parts if part.kind == "header" and not part.optional
        }
        if scheme.timestamp_header:
            headers[scheme.timestamp_header] = timestamp
        body = draft.body
        if draft.fields is not None:
            self._fill(draft.fields, parts, timestamp)
            body = orjson.dumps(draft.fields)
        text = self._signature(body, draft, headers, parts, timestamp)
        query = ""
        if scheme.query:
            query = urlencode({scheme.query: text})
        elif scheme.header:
            headers[scheme.header] = text
        elif draft.fields is not None:
            _put(draft.fields, scheme.path, text)
            body = orjson.dumps(draft.fields)
        return SignedRequest(body, headers, query, is_token=scheme.encoding == "plain")

    def _fill(self, fields: dict[str, Any], parts: Sequence[Part], timestamp: str) -> None:
        """Give the body what the scheme reads from it."""
        if self.scheme.timestamp_path:
            number = self.scheme.timestamp_unit != "iso8601"
            _put(fields, self.scheme.timestamp_path, int(timestamp) if number else timestamp)
        for part in parts:
            if part.kind == "field" and not part.optional and at(fields, part.name) is None:
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
        if scheme.user is not None:
            told = b"dispatchd:" + self.secret if scheme.user == ANY_USER else self.secret
            return f"Basic {b64encode(told).decode()}"
        if scheme.encoding == "plain":
            return scheme.prefix + self.secret.decode()
        document = draft.fields
        if document is None and any(part.kind == "field" for part in parts):
            document = decode.json_document(body)
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
