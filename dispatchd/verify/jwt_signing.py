"""Making a token as a sender would, with the endpoint's own secret."""

import base64
import hmac

import orjson

from dispatchd.verify import jwt_keys
from dispatchd.verify.jwt_check import body_hash_text
from dispatchd.verify.jwt_spec import AUTHORIZATION, JwtSpec

VALID_S = 300


def sign_jwt(spec: JwtSpec, secret: bytes, body: bytes, now_s: float) -> dict[str, str]:
    """Return the header that proves `body` at `now_s`, as `spec` asks for it."""
    allowed = [name for name in spec.algorithms or jwt_keys.HMAC if name in jwt_keys.HMAC]
    claims: dict[str, object] = {"iat": int(now_s), "exp": int(now_s) + VALID_S, **spec.claims}
    if spec.issuers:
        claims["iss"] = spec.issuers[0]
    if spec.audiences:
        claims["aud"] = spec.audiences[0]
    if spec.body_hash is not None:
        claims[spec.body_hash.claim] = body_hash_text(spec.body_hash, body)
    head = _part(orjson.dumps({"alg": allowed[0], "typ": "JWT"}))
    message = f"{head}.{_part(orjson.dumps(claims))}"
    signature = hmac.digest(secret, message.encode(), f"sha{allowed[0][2:]}")
    token, name = f"{message}.{_part(signature)}", spec.header or AUTHORIZATION
    return {name: f"Bearer {token}" if name.lower() == AUTHORIZATION.lower() else token}


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
