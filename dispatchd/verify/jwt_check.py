"""A JSON Web Token as a proof: signed by a known key, for us, now, and by whom we expect.

A token without a hash of the body proves who sent and not what: whoever catches it can use it
until it expires. Source: RFC 7519; what RFC 8725 advises against is not possible here.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any, Final

from dispatchd.verify import jwt_keys
from dispatchd.verify.api_key import API_KEY_PREFIX
from dispatchd.verify.inbound import Genuine, Inbound, Rejected, one_header
from dispatchd.verify.jwt_keys import JwtKey
from dispatchd.verify.jwt_spec import AUTHORIZATION, BodyHash, JwtSpec, same_claim
from dispatchd.verify.jwt_token import Token, read_claims, read_token, time_refusal
from dispatchd.verify.pinned import KEY_SET, Pinned, PinnedSource

TRIED_MAX: Final = 16  # keys for one token, where its kid chooses none


class JwtCheck:
    """Tokens, checked as a spec says, with the endpoint's keys or those of a key set."""

    paths: tuple[str, ...] = ()

    def __init__(
        self,
        name: str,
        spec: JwtSpec,
        numbered: Sequence[tuple[int, JwtKey]],
        tolerance_s: float,
        source: PinnedSource | None,
    ) -> None:
        self._name = name
        self._spec = spec
        self._header = spec.header or AUTHORIZATION
        self._keys = tuple(key for _, key in numbered)
        self._numbers = [number for number, _ in numbered]
        self._tolerance_s = tolerance_s
        self._source = source
        # Of the document that each was made of; one tuple each, for threads may ask at once.
        self._names: tuple[bytes, frozenset[str | None]] = (b"", frozenset())
        self._known: tuple[bytes, tuple[JwtKey, ...]] = (b"", ())

    def pinned(self, sender: Inbound) -> Pinned | None:
        """Return the key set; anew where it has no key of the token's name."""
        if not self._spec.jwks:
            return None
        try:
            token = self._token(sender)
        except ValueError:
            return None  # refused without it
        if token is None:
            return None
        return Pinned(self._spec.jwks, KEY_SET, anew=not self._may_be_known(token))

    def check(self, sender: Inbound) -> Genuine | Rejected | None:
        """Judge the request; None when it carries no token (an API key is none)."""
        try:
            token = self._token(sender)
            return None if token is None else self._check(sender, token)
        except ValueError as error:
            return Rejected("invalid_signature", str(error))

    def _token(self, sender: Inbound) -> Token | None:
        values = sender.headers.getall(self._header, [])
        if not values:
            return None
        text = values[0].strip(" ")
        if self._header.lower() == "authorization":
            kind, _, text = text.partition(" ")
            text = text.strip(" ")
            if len(values) == 1 and (kind.lower() != "bearer" or text.startswith(API_KEY_PREFIX)):
                return None
        one_header(sender.headers, self._header)  # doubled, long or not ASCII: refused
        token = read_token(text)
        allowed = self._spec.algorithms or (
            jwt_keys.PUBLIC if self._spec.jwks else jwt_keys.ALGORITHMS
        )
        if token.algorithm not in allowed:
            raise ValueError("the token is signed in a way that is not accepted here")
        return token

    def _may_be_known(self, token: Token) -> bool:
        """Whether the key set at hand names the token's key; reading keys would keep the loop."""
        document = None if self._source is None else self._source.get(self._spec.jwks)
        if document is None or token.kid is None:
            return True
        known, names = self._names
        if document != known:
            names = jwt_keys.key_names(document)
            self._names = (document, names)
        return token.kid in names or None in names

    def _current_keys(self) -> tuple[JwtKey, ...] | None:
        """Return the keys to choose from; None where the key set is not at hand."""
        if not self._spec.jwks:
            return self._keys
        document = None if self._source is None else self._source.get(self._spec.jwks)
        if document is None:
            return None
        known, keys = self._known
        if document != known:
            keys = jwt_keys.key_set(document)
            self._known = (document, keys)
        return keys

    def _check(self, sender: Inbound, token: Token) -> Genuine | Rejected:
        keys = self._current_keys()
        if keys is None:
            return Rejected("key_set_unavailable", "the keys of the token cannot be had")
        candidates = _named(keys, token)
        if not candidates:
            raise ValueError("the token is signed with a key that is not known")
        fit = [key for key in candidates if token.algorithm in key.algorithms]
        by = next(
            (
                key
                for key in fit[:TRIED_MAX]
                if key.check(token.algorithm, token.message, token.signature)
            ),
            None,
        )
        if by is None:
            raise ValueError("the token is not signed with a known key")
        claims = read_claims(token)
        if self._spec.body_hash is None and "exp" not in claims:
            raise ValueError("the token never expires")
        refusal = time_refusal(claims, sender.now_s, self._tolerance_s)
        if refusal is not None:
            return refusal
        self._require_claims(claims)
        if self._spec.body_hash is not None:
            _require_hash(self._spec.body_hash, claims, sender.body)
        number = "jwks" if self._spec.jwks else self._numbers[keys.index(by)]
        return Genuine(f"{self._name}[{number}]")

    def _require_claims(self, claims: dict[str, Any]) -> None:
        spec = self._spec
        issuer, audience = claims.get("iss"), claims.get("aud")
        if spec.issuers and issuer not in spec.issuers:
            raise ValueError("the token's iss is not the issuer that is expected")
        listed = audience if isinstance(audience, list) else [audience]
        if spec.audiences and not any(one in spec.audiences for one in listed):
            raise ValueError("the token's aud is not the audience that is expected")
        for name, wanted in spec.claims.items():
            if not same_claim(wanted, claims.get(name)):
                raise ValueError(f"the token's {name} is not what is expected")


def _named(keys: Sequence[JwtKey], token: Token) -> Sequence[JwtKey]:
    """Return the keys that a token may mean: of its kid, else those that have none."""
    if token.kid is None:
        return keys
    own = [key for key in keys if key.kid == token.kid]
    return own or [key for key in keys if key.kid is None]


def _require_hash(rule: BodyHash, claims: dict[str, Any], body: bytes) -> None:
    right, claimed = body_hash_text(rule, body), claims.get(rule.claim)
    if not isinstance(claimed, str):
        raise ValueError(f"the token has no {rule.claim}")  # noqa: TRY004 - a sender's mistake
    text = claimed.lower() if rule.encoding == "hex" else claimed.rstrip("=")
    if not hmac.compare_digest(text.encode("utf-8", "replace"), right.rstrip("=").encode()):
        raise ValueError(f"the token's {rule.claim} is of another body")


def body_hash_text(rule: BodyHash, body: bytes) -> str:
    """Return the hash of a body as a token holds it."""
    digest = hashlib.sha256(body).digest()
    if rule.encoding == "hex":
        return digest.hex()
    encode = base64.b64encode if rule.encoding == "base64" else base64.urlsafe_b64encode
    text = encode(digest).decode()
    return text if rule.encoding == "base64" else text.rstrip("=")
