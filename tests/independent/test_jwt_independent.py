"""Tokens that PyJWT and joserfc sign, with the keys as they spell them."""

import json
import time

import jwt
import pytest
from joserfc import jwt as jose
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey
from multidict import CIMultiDict

from dispatchd import verify
from dispatchd.verify import Auth, Genuine, Inbound, JwtSpec, Rejected
from dispatchd.verify.jwt_keys import ALGORITHMS, HMAC
from dispatchd.verify.jwt_signing import sign_jwt

URL = "https://issuer.example/keys"
SECRET = b"a-secret-that-is-long-enough-for-every-hash-of-them-and-so-64-by"
CLAIMS = {"aud": "us", "iss": "them", "exp": 1_800_000_060}
KEYS = {
    "R": RSAKey.generate_key(2048),
    "ES256": ECKey.generate_key("P-256"),
    "ES384": ECKey.generate_key("P-384"),
    "ES512": ECKey.generate_key("P-521"),
    "Ed": OKPKey.generate_key("Ed25519"),
}
for key in KEYS.values():
    key.ensure_kid()
PUBLIC = [name for name in ALGORITHMS if name not in HMAC]


def key_of(algorithm: str):
    family = "R" if algorithm[:2] in ("RS", "PS") else "Ed" if algorithm[0:2] == "Ed" else algorithm
    return KEYS[family]


class Source:
    def get(self, url: str) -> bytes:
        keys = KeySet(list(KEYS.values()))
        return json.dumps(keys.as_dict(private=False)).encode()

    def roots(self) -> bytes:
        return b""


def judged(token: str, **auth) -> Genuine | Rejected:
    spec = JwtSpec(jwks="" if auth else URL, audiences=("us",), issuers=("them",))
    verifier = verify.compile_verifier(Auth(jwt=spec, **auth), Source())
    headers = CIMultiDict({"Authorization": f"Bearer {token}"})
    return verifier.verify(Inbound("POST", headers, "", b"{}", 1.8e9))


@pytest.mark.parametrize("algorithm", [name for name in PUBLIC if name != "Ed25519"])
@pytest.mark.parametrize("named", [True, False])
def test_pyjwt_signs(algorithm: str, named: bool) -> None:
    key = key_of(algorithm)
    headers = {"kid": key.kid} if named else None
    token = jwt.encode(CLAIMS, key.as_pem(private=True), algorithm, headers)
    assert isinstance(judged(token), Genuine)
    public = key.as_pem(private=False).decode()
    assert isinstance(judged(token, public_keys=(public,)), Genuine)
    other = jwt.encode(CLAIMS | {"aud": "x"}, key.as_pem(private=True), algorithm, headers)
    assert isinstance(judged(other), Rejected)


@pytest.mark.parametrize("algorithm", [name for name in PUBLIC if name != "EdDSA"])
def test_joserfc_signs(algorithm: str) -> None:
    key = key_of(algorithm)
    token = jose.encode({"alg": algorithm, "kid": key.kid}, CLAIMS, key, algorithms=[algorithm])
    assert isinstance(judged(token), Genuine)
    head, claims, signature = token.split(".")
    assert isinstance(judged(f"{head}.{claims[:-4]}{claims[-4:].swapcase()}.{signature}"), Rejected)


@pytest.mark.parametrize("algorithm", HMAC)
def test_secrets(algorithm: str) -> None:
    key = OctKey.import_key(SECRET)
    for token in (
        jwt.encode(CLAIMS, SECRET, algorithm),
        jose.encode({"alg": algorithm}, CLAIMS, key, algorithms=[algorithm]),
    ):
        assert judged(token, secrets=(b"another", SECRET)) == Genuine("jwt[1]")
        assert isinstance(judged(token, secrets=(b"another",)), Rejected)
        assert isinstance(judged(token), Rejected)


def test_they_read_what_send_signs() -> None:
    spec = JwtSpec(audiences=("us",), issuers=("them",), claims={"who": "me"})
    headers = sign_jwt(spec, SECRET, b"{}", time.time())
    token = headers["Authorization"].removeprefix("Bearer ")
    read = jwt.decode(token, SECRET, ["HS256"], audience="us", issuer="them")
    assert read["who"] == "me"
    assert jose.decode(token, OctKey.import_key(SECRET), algorithms=["HS256"]).claims == read
