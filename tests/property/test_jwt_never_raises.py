"""Whatever a stranger or a key server sends is a verdict, never an exception."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict
from tokens import b64, jwk, key_set, rsa_key, token

from dispatchd import verify
from dispatchd.verify import Auth, BodyHash, JwtSpec
from dispatchd.verify.jwt_keys import key_set as read_keys

KEY = rsa_key()
NOW_S = 1_800_000_000
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
NAMES = ["alg", "kid", "crit", "jwk", "typ", "b64"]
CLAIMS = ["aud", "iss", "exp", "nbf", "iat", "who", "hash"]
FIELDS = ["kty", "crv", "n", "e", "x", "y", "k", "kid", "use", "alg", "key_ops"]
WORDS = ["RSA", "EC", "OKP", "oct", "P-256", "P-521", "Ed25519", "sig", "RS256", "AQAB", "AAAA"]
SPEC = JwtSpec(
    jwks="https://issuer.example/keys",
    audiences=("us",),
    issuers=("them",),
    claims={"who": True},
    body_hash=BodyHash("hash"),
)


class Source:
    document = key_set(jwk(KEY, "k1"))

    def get(self, url: str) -> bytes:
        return self.document

    def roots(self) -> bytes:
        return b""


def judged(value: str, document: bytes = Source.document) -> object:
    source = Source()
    source.document = document
    verifier = verify.compile_verifier(Auth(jwt=SPEC), source)
    headers = CIMultiDict({"Authorization": f"Bearer {value}"})
    sender = verify.Inbound("POST", headers, "", b"{}", float(NOW_S))
    verifier.pinned(sender)
    return verifier.verify(sender)


def part(value: object) -> str:
    return b64(json.dumps(value).encode("utf-8", "surrogatepass"))


@settings(max_examples=150)
@given(st.dictionaries(st.sampled_from(NAMES), JUNK | st.just("RS256")), JUNK, st.binary())
def test_a_forged_token_is_rejected(head, claims, signature) -> None:
    forged = f"{part(head)}.{part(claims)}.{b64(signature)}"
    assert isinstance(judged(forged), verify.Rejected)


@settings(max_examples=150)
@given(st.text(max_size=200))
def test_any_text_is_rejected(text) -> None:
    assert isinstance(judged(text), verify.Rejected)


@settings(max_examples=100)
@given(st.dictionaries(st.sampled_from(CLAIMS), JUNK) | JUNK)
def test_a_signed_token_of_odd_claims_is_rejected(claims) -> None:
    made = token(KEY, claims, kid="k1")  # none has the hash of this body
    assert isinstance(judged(made), verify.Rejected)


@settings(max_examples=150)
@given(
    st.lists(st.dictionaries(st.sampled_from(FIELDS), JUNK | st.sampled_from(WORDS)) | JUNK)
    | st.lists(st.just(jwk(KEY, "k1")), max_size=2)
)
def test_any_key_set_is_read(keys) -> None:
    document = json.dumps({"keys": keys}).encode("utf-8", "surrogatepass")
    assert len(read_keys(document)) <= len(keys)
    judged(token(KEY, {}, kid="k1"), document)


@given(st.binary())
def test_any_bytes_hold_no_keys(document) -> None:
    assert read_keys(document) == ()
