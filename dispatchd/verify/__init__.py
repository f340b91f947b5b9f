"""Is this webhook genuine? Every signature rule lives here; it also signs. Pure.

A provider is a row in `providers`, its schemes are data that `scheme` compiles with the
endpoint's keys. Everything is compared as bytes in constant time; whatever is malformed is
simply not genuine, never an exception.
"""

import hmac
from collections.abc import Sequence
from functools import lru_cache

from dispatchd.verify.api_key import API_KEY_PREFIX, hash_api_key
from dispatchd.verify.endpoint import (
    DEFAULT_TOLERANCE_S,
    Auth,
    Verifier,
    compile_verifier,
    missing_keys,
    problems,
    proof_headers,
)
from dispatchd.verify.form import (
    document_json,
    fields_document,
    fields_json,
    form_document,
    is_form,
    parse_form,
)
from dispatchd.verify.greetings import Greeting, HandshakeSpec, ShowOnce
from dispatchd.verify.inbound import UNREAD, Answer, ApiKey, Genuine, Headers, Inbound, Rejected
from dispatchd.verify.jwt_spec import BodyHash, JwtSpec, jwks_url_problem
from dispatchd.verify.keys import private_key_text, signing_secret_text
from dispatchd.verify.pinned import Pinned, PinnedKind, PinnedSource
from dispatchd.verify.providers import covers_url, is_for_url, must_remember, provider_names
from dispatchd.verify.scheme import HASH_HERE_MAX_BYTES, Listed, SignatureSpec
from dispatchd.verify.secret_headers import (
    headers_named,
    is_secret_header,
    storable_headers,
    without_query,
    without_secrets,
)
from dispatchd.verify.signer import (
    OutgoingSpec,
    Signer,
    outgoing_problems,
    own_signer,
    standard_signer,
    template_headers,
)
from dispatchd.verify.signing import CannotSign, Draft, SignedRequest, sign_request
from dispatchd.verify.template import public_url_problem

__all__ = [
    "API_KEY_PREFIX",
    "DEFAULT_TOLERANCE_S",
    "HASH_HERE_MAX_BYTES",
    "UNREAD",
    "Answer",
    "ApiKey",
    "Auth",
    "BodyHash",
    "CannotSign",
    "Draft",
    "Genuine",
    "Greeting",
    "HandshakeSpec",
    "Headers",
    "Inbound",
    "JwtSpec",
    "Listed",
    "OutgoingSpec",
    "Pinned",
    "PinnedKind",
    "PinnedSource",
    "Rejected",
    "ShowOnce",
    "SignatureSpec",
    "SignedRequest",
    "Signer",
    "Verifier",
    "compile_verifier",
    "covers_url",
    "document_json",
    "fields_document",
    "fields_json",
    "form_document",
    "hash_api_key",
    "headers_named",
    "is_for_url",
    "is_form",
    "is_secret_header",
    "jwks_url_problem",
    "missing_keys",
    "must_remember",
    "outgoing_problems",
    "own_signer",
    "parse_form",
    "private_key_text",
    "problems",
    "proof_headers",
    "provider_names",
    "public_url_problem",
    "sign",
    "sign_request",
    "signing_secret_text",
    "standard_signer",
    "storable_headers",
    "template_headers",
    "verify",
    "without_query",
    "without_secrets",
]


def sign(secret: bytes, body: bytes) -> str:
    """Return the value of `X-Dispatch-Signature` for `body`."""
    return "sha256=" + hmac.digest(secret, body, "sha256").hex()


def verify(
    headers: Headers,
    body: bytes,
    *,
    secrets: Sequence[bytes],
    api_keys: Sequence[ApiKey],
    open_to_all: bool = False,
) -> Genuine | Rejected:
    """Prove who sent `body` by the generic scheme, for callers without a compiled endpoint."""
    verifier = _generic(tuple(secrets), tuple(api_keys), open_to_all)
    return verifier.verify(Inbound("POST", headers, "", body, 0.0))


@lru_cache(maxsize=256)
def _generic(
    secrets: tuple[bytes, ...], api_keys: tuple[ApiKey, ...], open_to_all: bool
) -> Verifier:
    return compile_verifier(Auth(secrets=secrets, api_keys=api_keys, open_to_all=open_to_all))
