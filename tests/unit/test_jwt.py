"""What a JSON Web Token proves, and all that proves nothing."""

import base64
import hashlib
import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from multidict import CIMultiDict
from tokens import b64, jwk, key_set, pem, rsa_key, token

from dispatchd import verify
from dispatchd.verify import Auth, BodyHash, Genuine, Greeting, Inbound, JwtSpec, Rejected
from dispatchd.verify.jwt_check import TRIED_MAX
from dispatchd.verify.jwt_keys import KEYS_MAX
from dispatchd.verify.pinned import KEY_SET, Pinned

NOW_S = 1_800_000_000
URL = "https://issuer.example/keys"
RSA, OTHER = rsa_key(), rsa_key()
EC, ED = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
SECRET = b"a-secret-of-32-bytes-or-so-it-is"
SPEC = JwtSpec(jwks=URL, audiences=("us",))
RIGHT = {"aud": "us", "exp": NOW_S + 60}


class Source:
    def __init__(self, document: bytes | None) -> None:
        self.document = document

    def get(self, url: str) -> bytes | None:
        return self.document

    def roots(self) -> bytes:
        return b""


def sender(text: str, body: bytes = b"{}", header: str = "Authorization") -> Inbound:
    value = f"Bearer {text}" if header == "Authorization" else text
    return Inbound("POST", CIMultiDict({header: value}), "", body, float(NOW_S))


def judged(text, document=None, spec=SPEC, body=b"{}", header="Authorization", **auth):
    source = Source(key_set(jwk(RSA, "k1")) if document is None else document)
    verifier = verify.compile_verifier(Auth(jwt=spec, **auth), source)
    return verifier.verify(sender(text, body, header))


def by_key(text, key, spec=JwtSpec(audiences=("us",)), **more):  # noqa: B008 - frozen
    return judged(text, spec=spec, public_keys=(pem(key),), **more)


def test_a_right_token() -> None:
    assert judged(token(RSA, RIGHT, kid="k1")) == Genuine("jwt[jwks]")
    assert by_key(token(ED, RIGHT, "EdDSA"), ED) == Genuine("jwt[0]")
    assert by_key(token(EC, RIGHT, "ES256"), EC) == Genuine("jwt[0]")
    assert by_key(token(EC, RIGHT, "ES256", kid="whatever"), EC) == Genuine("jwt[0]")
    two = Auth(jwt=JwtSpec(audiences=("us",)), public_keys=(pem(EC), pem(RSA)))
    assert verify.compile_verifier(two).verify(sender(token(RSA, RIGHT))) == Genuine("jwt[1]")
    assert judged(token(SECRET, RIGHT, "HS256"), spec=JwtSpec(), secrets=(b"old", SECRET)) == (
        Genuine("jwt[1]")
    )


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"aud": "them"},
        {"aud": ["them", 5, None, {}]},
        {"aud": {"us": 1}},
        {"aud": "us,them"},
        {"aud": "US"},
        {"exp": NOW_S - 301},
        {"exp": str(NOW_S - 301)},
        {"exp": None},
        {"exp": True},
        {"exp": []},
        {"exp": -1.5},
        {"exp": 10**40},
        {"nbf": NOW_S + 301},
        {"nbf": NOW_S + 300.5},
        {"nbf": "soon"},
        {"iat": NOW_S + 301},
        {"iat": {}},
    ],
)
def test_claims_that_prove_nothing(claims) -> None:
    changed = RIGHT | claims if claims else {"exp": NOW_S + 60}
    assert judged(token(RSA, changed, kid="k1")).code in ("invalid_signature", "stale_timestamp")


@pytest.mark.parametrize(
    "claims",
    [{"exp": NOW_S - 299}, {"exp": NOW_S + 0.5}, {"nbf": NOW_S + 299}, {"iat": NOW_S + 299}],
)
def test_times_within_the_tolerance(claims) -> None:
    assert isinstance(judged(token(RSA, RIGHT | claims, kid="k1")), Genuine)


def test_a_token_expires_or_is_bound_to_a_body() -> None:
    for_ever = {"aud": "us"}
    assert "never expires" in judged(token(RSA, for_ever, kid="k1")).message
    bound = replace(SPEC, body_hash=BodyHash("h"))
    digest = hashlib.sha256(b"{}").hexdigest()
    assert isinstance(judged(token(RSA, for_ever | {"h": digest}, kid="k1"), spec=bound), Genuine)


def hash_in_base64(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


@pytest.mark.parametrize("encoding", ["hex", "base64", "base64url"])
def test_the_hash_of_the_body(encoding) -> None:
    # Its hash has letters that the two alphabets spell differently.
    bodies = (b'{"n":%d}' % n for n in range(99))
    body = next(body for body in bodies if set("+/") & set(hash_in_base64(body)))
    digest = hashlib.sha256(body).digest()
    spelled = {
        "hex": [digest.hex(), digest.hex().upper()],
        "base64": [base64.b64encode(digest).decode(), base64.b64encode(digest).decode()[:-1]],
        "base64url": [b64(digest), b64(digest) + "="],
    }
    spec = replace(SPEC, body_hash=BodyHash("h", encoding))
    for name, texts in spelled.items():
        for text in texts:
            verdict = judged(token(RSA, RIGHT | {"h": text}, kid="k1"), spec=spec, body=body)
            assert isinstance(verdict, Genuine) == (name == encoding)
            other = judged(token(RSA, RIGHT | {"h": text}, kid="k1"), spec=spec, body=body + b" ")
            assert isinstance(other, Rejected)
    for wrong in ("", None, 5, [digest.hex()], "é", "="):
        verdict = judged(token(RSA, RIGHT | {"h": wrong}, kid="k1"), spec=spec, body=body)
        assert isinstance(verdict, Rejected)


@pytest.mark.parametrize(
    ("wanted", "claimed", "same"),
    [
        ("a", "a", True),
        ("a", "A", False),
        ("a", ["b", "a"], True),
        ("a", [["a"]], False),
        ("a", {"a": 1}, False),
        ("a", None, False),
        (True, True, True),
        (True, 1, False),
        (True, "true", False),
        (False, None, False),
        (False, 0, False),
        (7, 7, True),
        (7, "7", True),
        (7, 7.0, False),
        (1, True, False),
        ("7", 7, False),
    ],
)
def test_a_further_claim(wanted, claimed, same) -> None:
    spec = replace(SPEC, claims={"who": wanted})
    verdict = judged(token(RSA, RIGHT | {"who": claimed}, kid="k1"), spec=spec)
    assert isinstance(verdict, Genuine) == same


def test_the_issuer() -> None:
    spec = replace(SPEC, issuers=("https://a", "https://b"))
    for issuer, right in (("https://b", True), ("https://c", False), (["https://b"], False)):
        verdict = judged(token(RSA, RIGHT | {"iss": issuer}, kid="k1"), spec=spec)
        assert isinstance(verdict, Genuine) == right
    assert isinstance(judged(token(RSA, RIGHT, kid="k1"), spec=spec), Rejected)


def test_a_public_key_is_never_a_secret() -> None:
    """Algorithm confusion: HS256 with what everybody knows as its key."""
    public = pem(RSA)
    for key in (public.encode(), public.strip().encode(), b""):
        for algorithm in ("HS256", "HS384", "HS512"):
            forged = token(key, RIGHT, algorithm, kid="k1")
            assert isinstance(judged(forged), Rejected)
            assert isinstance(by_key(forged, RSA), Rejected)
    octet = {"kty": "oct", "kid": "k1", "k": b64(SECRET), "alg": "HS256"}
    assert isinstance(judged(token(SECRET, RIGHT, "HS256", kid="k1"), key_set(octet)), Rejected)


def test_beside_a_secret_a_public_key_is_none_either() -> None:
    auth = Auth(jwt=JwtSpec(audiences=("us",)), secrets=(SECRET,), public_keys=(pem(RSA),))
    verifier = verify.compile_verifier(auth)
    assert isinstance(verifier.verify(sender(token(SECRET, RIGHT, "HS256"))), Genuine)
    assert isinstance(verifier.verify(sender(token(RSA, RIGHT))), Genuine)
    forged = token(pem(RSA).encode(), RIGHT, "HS256")
    assert isinstance(verifier.verify(sender(forged)), Rejected)


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "", "HS256", "ES256", "RS1", "RSA-OAEP"]
)
def test_an_algorithm_that_is_none_of_the_keys(algorithm) -> None:
    head = b64(json.dumps({"alg": algorithm, "kid": "k1"}).encode())
    claims = b64(json.dumps(RIGHT).encode())
    _, _, signed = token(RSA, RIGHT, kid="k1").rpartition(".")
    for signature in ("", signed):
        assert judged(f"{head}.{claims}.{signature}").code == "invalid_signature"


def test_a_jwks_key_of_another_algorithm_or_use() -> None:
    right = token(RSA, RIGHT, kid="k1")
    for more in ({"alg": "RS512"}, {"alg": "HS256"}, {"alg": "ES256"}, {"alg": 5}, {"alg": [1]},
                 {"use": "enc"}, {"use": None}, {"key_ops": ["encrypt"]}):  # fmt: skip
        assert isinstance(judged(right, key_set(jwk(RSA, "k1", **more))), Rejected), more
    for more in ({"alg": "RS256"}, {"use": "sig"}, {"key_ops": ["verify"]}, {"x5c": ["junk"]}):
        assert isinstance(judged(right, key_set(jwk(RSA, "k1", **more))), Genuine), more


def test_algorithms_may_be_fewer_than_the_keys_can() -> None:
    spec = replace(SPEC, algorithms=("RS512", "ES256"))
    assert isinstance(judged(token(RSA, RIGHT, kid="k1"), spec=spec), Rejected)
    assert isinstance(judged(token(RSA, RIGHT, "RS512", kid="k1"), spec=spec), Genuine)


JUNK = [
    5, None, "x", [], {}, {"kty": 5}, {"kty": "RSA"}, {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
    {"kty": "RSA", "n": 5, "e": []}, {"kty": "RSA", "n": "*", "e": "*"},
    {"kty": "RSA", "n": jwk(RSA)["n"], "e": "AA"}, {"kty": "RSA", "n": jwk(RSA)["n"], "e": "AQ"},
    {"kty": "RSA", "n": jwk(RSA)["n"], "e": "A" * 400},
    {"kty": "RSA", "n": "__" * 4000, "e": "AQAB"},
    {"kty": "EC", "crv": "P-256", "x": b64(b"1" * 32), "y": b64(b"1" * 32)},
    {"kty": "EC", "crv": "P-256K", "x": "AA", "y": "AA"}, {"kty": "EC", "crv": ["P-256"]},
    {"kty": "EC", "crv": "P-521", "x": b64(b"\xff" * 200), "y": b64(b"\xff" * 200)},
    {"kty": "OKP", "crv": "Ed25519", "x": b64(b"1" * 31)},
    {"kty": "OKP", "crv": "X25519", "x": "AA"}, {"kty": "oct", "k": "AAAA"},
    jwk(OTHER, "k1") | {"kid": 5},
]  # fmt: skip


def test_junk_in_a_key_set_is_passed_over() -> None:
    right = token(RSA, RIGHT, kid="k1")
    assert isinstance(judged(right, key_set(*JUNK, jwk(RSA, "k1"), *JUNK)), Genuine)
    assert isinstance(judged(right, key_set(*JUNK)), Rejected)
    many = [jwk(OTHER, f"o{n}") for n in range(KEYS_MAX)]
    assert isinstance(judged(right, key_set(*many, jwk(RSA, "k1"))), Rejected)
    for document in (b"", b"[]", b"{}", b'{"keys":5}', b'{"keys":{}}', b"\xff", b"[" * 9999):
        assert isinstance(judged(right, document), Rejected)


def test_small_keys_are_none() -> None:
    small = rsa_key(1024)
    assert isinstance(judged(token(small, RIGHT, kid="k"), key_set(jwk(small, "k"))), Rejected)
    with pytest.raises(ValueError, match="2048 bits and more"):
        by_key(token(small, RIGHT), small)


def test_a_token_without_a_kid_is_tried_with_the_keys_of_its_kind() -> None:
    others = [jwk(EC) for _ in range(2 * TRIED_MAX)]
    assert isinstance(judged(token(RSA, RIGHT), key_set(*others, jwk(RSA))), Genuine)
    many = [jwk(OTHER) for _ in range(TRIED_MAX)]  # each costs time, at a stranger's wish
    assert isinstance(judged(token(RSA, RIGHT), key_set(*many, jwk(RSA))), Rejected)


@pytest.mark.parametrize(
    "auth",
    [
        {"jwt": JwtSpec(), "handshakes": (Greeting("query", "challenge", sign="hex"),)},
        {"provider": "netlify", "handshakes": (Greeting("query", "challenge", sign="base64"),)},
        {"provider": "jira", "handshakes": (Greeting("query", "challenge", sign="hex"),)},
        {"provider": "x", "jwt": JwtSpec()},
        {"provider": "zoom", "jwt": JwtSpec()},
    ],
)
def test_no_handshake_signs_a_token(auth: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="would sign anybody's token"):
        verify.compile_verifier(Auth(secrets=(b"k" * 32,), **auth))


@pytest.mark.parametrize("auth", [{"jwt": JwtSpec()}, {"provider": "fusionauth"}, {}])
def test_a_public_key_is_no_secret(auth: dict[str, object]) -> None:
    public = pem(RSA).encode()  # pasted where the secret goes: all who have it could sign HS256
    with pytest.raises(ValueError, match="a secret is a public key"):
        verify.compile_verifier(Auth(secrets=(public,), **auth))


def test_a_token_that_is_no_json_is_not_told_of_as_the_body() -> None:
    whole = token(RSA, RIGHT)
    for text in (f"{b64(b'{')}.{whole.partition('.')[2]}", token(RSA, float("nan"))):
        verdict = judged(text)
        assert isinstance(verdict, Rejected)
        assert verdict.message == "the token is not JSON"


def test_a_kid_only_chooses() -> None:
    both = key_set(jwk(OTHER, "k2"), jwk(RSA, "k1"))
    assert isinstance(judged(token(RSA, RIGHT, kid="k2"), both), Rejected)
    assert isinstance(judged(token(RSA, RIGHT), both), Genuine)  # it chooses none: all are tried
    twice = key_set(jwk(OTHER, "k1"), jwk(RSA, "k1"))  # of one name
    assert isinstance(judged(token(RSA, RIGHT, kid="k1"), twice), Genuine)
    for kid in (5, ["k1"], {"k1": 1}, True):
        assert isinstance(judged(token(RSA, RIGHT, kid=kid)), Rejected)


def test_what_a_token_brings_along_is_not_looked_at() -> None:
    brought = {"jwk": jwk(OTHER, "k1"), "jku": "https://evil.example", "x5u": "file:///etc/passwd"}
    assert isinstance(judged(token(OTHER, RIGHT, kid="k1", **brought)), Rejected)
    assert isinstance(judged(token(RSA, RIGHT, kid="k1", **brought)), Genuine)
    assert isinstance(judged(token(RSA, RIGHT, kid="k1", crit=["b64"], b64=False)), Rejected)
    assert isinstance(judged(token(RSA, RIGHT, kid="k1", crit=[])), Rejected)


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "...", "a.b", "a.b.c.d", "A" * 8000, ".".join(["A" * 2600] * 3), "é.é.é"]
    + [f"{b64(head)}.e30.AAAA" for head in (b"", b"5", b"[]", b'"x"', b"\xff", b'{"alg":5}')],
)
def test_a_token_that_is_none(text) -> None:
    assert judged(text).code == "invalid_signature"


def test_a_changed_letter_anywhere() -> None:
    right = token(RSA, RIGHT, kid="k1")
    for place in range(0, len(right), 7):
        other = "B" if right[place] == "A" else "A"
        assert isinstance(judged(right[:place] + other + right[place + 1 :]), Rejected)
    for spelled in (right + "=", right + "\n", " ." + right, right.replace(".", "..", 1)):
        assert isinstance(judged(spelled), Rejected)


def test_ecdsa_signatures_have_one_length() -> None:
    head, claims, _ = (right := token(EC, RIGHT, "ES256")).split(".")
    der = EC.sign(f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))
    for signature in (der, b"", bytes(64), bytes(63), b"\0" + bytes(64)):
        assert isinstance(by_key(f"{head}.{claims}.{b64(signature)}", EC), Rejected)
    assert isinstance(by_key(right, EC), Genuine)


def test_the_header() -> None:
    right = token(RSA, RIGHT, kid="k1")
    verifier = verify.compile_verifier(Auth(jwt=SPEC), Source(key_set(jwk(RSA, "k1"))))

    def said(*values: str) -> str:
        headers = CIMultiDict([("Authorization", value) for value in values])
        verdict = verifier.verify(Inbound("POST", headers, "", b"{}", float(NOW_S)))
        return verdict.by if isinstance(verdict, Genuine) else verdict.code

    assert said(f"bearer {right}") == "jwt[jwks]"
    assert said(f"Bearer  {right} ") == "jwt[jwks]"
    assert said(f"Bearer {right}", f"Bearer {right}") == "invalid_signature"
    assert said(f"Bearer {right}", "Bearer dsp_x") == "invalid_signature"
    assert said() == "unauthenticated"
    assert said("Bearer dsp_nobody") == said(right) == said(f"Basic {right}") == "invalid_api_key"
    own = replace(SPEC, header="X-Proof")
    assert judged(right, spec=own, header="X-Proof") == Genuine("jwt[jwks]")
    assert judged(f"Bearer {right}", spec=own, header="X-Proof").code == "invalid_signature"
    assert judged(right, spec=own).code == "invalid_api_key"
    assert verify.compile_verifier(Auth(jwt=own), Source(None)).secret_headers == {"x-proof"}


def test_which_key_set_is_wanted() -> None:
    source = Source(None)
    verifier = verify.compile_verifier(Auth(jwt=SPEC), source)
    right = token(RSA, RIGHT, kid="k1")
    assert verifier.pinned(sender(right)) == Pinned(URL, KEY_SET)
    assert verifier.verify(sender(right)).code == "key_set_unavailable"
    for useless in ("x", token(SECRET, RIGHT, "HS256"), "dsp_key"):
        assert verifier.pinned(sender(useless)) is None  # refused, whatever the set holds
    source.document = key_set(jwk(RSA, "k1"))
    assert verifier.pinned(sender(right)) == Pinned(URL, KEY_SET)
    assert verifier.pinned(sender(token(RSA, RIGHT, kid="k2"))) == Pinned(URL, KEY_SET, anew=True)
    assert verifier.pinned(sender(token(RSA, RIGHT))) == Pinned(URL, KEY_SET)


def test_a_providers_own_proof_is_replaced() -> None:
    spec = replace(SPEC, jwks="")
    verifier = verify.compile_verifier(Auth("github", jwt=spec, public_keys=(pem(RSA),)))
    assert verifier.verify(sender(token(RSA, RIGHT))) == Genuine("github[0]")
    assert verifier.event_type(CIMultiDict({"X-GitHub-Event": "push"}), {}) == "push"
    signed = {"X-Hub-Signature-256": verify.sign(SECRET, b"{}").replace("dispatch", "hub")}
    bare = Inbound("POST", CIMultiDict(signed), "", b"{}", float(NOW_S))
    assert isinstance(verifier.verify(bare), Rejected)
