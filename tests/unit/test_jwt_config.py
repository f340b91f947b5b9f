"""Mistakes in how a config says that tokens prove a sender."""

import re
from dataclasses import replace

import pytest
from tokens import pem, rsa_key

from dispatchd import verify
from dispatchd.verify import Auth, JwtSpec

PEM = pem(rsa_key())
SECRET = b"a-secret-of-32-bytes-or-so-it-is"
URL = "https://issuer.example/keys"
SPEC = JwtSpec(jwks=URL, audiences=("us",))
OWN = JwtSpec(audiences=("us",))
TOPIC = "arn:aws:sns:us-east-1:123456789012:orders"


@pytest.mark.parametrize(
    ("auth", "words"),
    [
        (Auth(jwt=JwtSpec()), "jwt has no key"),
        (Auth(jwt=JwtSpec(jwks=URL)), "jwt needs audience"),
        (Auth(jwt=JwtSpec(), public_keys=(PEM,)), "jwt needs audience"),
        (Auth(jwt=SPEC, secrets=(SECRET,)), "remove jwks, or the secret"),
        (Auth(jwt=SPEC, public_keys=(PEM,)), "remove jwks, or the public_key"),
        (Auth(jwt=JwtSpec(algorithms=("none",)), secrets=(SECRET,)), "proves nothing; remove it"),
        (Auth(jwt=replace(SPEC, algorithms=("RS265",))), "unknown algorithm; known are HS256"),
        (Auth(jwt=replace(SPEC, algorithms=("HS256",))), "HS256 needs a secret, and a public key"),
        (Auth(jwt=JwtSpec(algorithms=("RS256",)), secrets=(SECRET,)), "RS256 needs a jwks or a"),
        (Auth(jwt=replace(OWN, algorithms=("ES256",)), public_keys=(PEM,)), "no key fits"),
        (Auth(jwt=JwtSpec(audiences=("a",)), public_keys=("ab" * 32,)), "-----BEGIN PUBLIC KEY"),
        (Auth(jwt=JwtSpec(audiences=("a",)), public_keys=("é",)), "-----BEGIN PUBLIC KEY"),
        (Auth(jwt=JwtSpec(), secrets=(b"",)), "a secret is empty"),
        (Auth(jwt=replace(SPEC, jwks="http://issuer.example/keys")), "anybody on the way"),
        (Auth(jwt=SPEC, signature=verify.SignatureSpec(header="X")), "two proofs"),
        (Auth("google-pubsub"), "google-pubsub needs jwt"),
        (Auth("google-pubsub", jwt=JwtSpec(audiences=("a",))), "jwt.claims needs email"),
        (Auth("google-pubsub", jwt=JwtSpec(claims={"email": "a"})), "jwt needs audience"),
        (Auth("fusionauth"), "fusionauth needs secret or public_key or jwt"),
        (Auth("fusionauth", jwt=JwtSpec()), "jwt has no key"),
        (Auth("netlify"), "netlify needs secret"),
        (Auth("netlify", secrets=(b"x",), public_keys=(PEM,)), "no use for public_key"),
        (Auth("aws-sns"), "aws-sns needs topic"),
        (Auth("aws-sns", topics=("orders",)), "no ARN of a topic"),
        (Auth("github", secrets=(b"x",), topics=(TOPIC,)), "no use for topic"),
    ],
)  # fmt: skip
def test_a_mistake_is_said_in_a_sentence(auth, words) -> None:
    assert words in "; ".join(verify.problems(auth))
    with pytest.raises(ValueError, match=re.escape(words)):
        verify.compile_verifier(auth)


def test_a_private_key_is_refused_and_not_shown() -> None:
    private = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEF\n-----END PRIVATE KEY-----"
    (problem,) = verify.problems(Auth(jwt=JwtSpec(audiences=("a",)), public_keys=(private,)))
    assert "MIIEv" not in problem


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://issuer.example/keys?a=b", True),
        ("http://127.0.0.1:8080/keys", True),
        ("http://[::1]/keys", True),
        ("http://localhost/keys", True),
        ("http://localhost.evil.example/keys", False),
        ("http://10.0.0.1/keys", False),
        ("ftp://issuer.example/keys", False),
        ("file:///etc/passwd", False),
        ("issuer.example/keys", False),
        ("https:///keys", False),
        ("https://user:pass@issuer.example/keys", False),
        ("https://issuer.example/keys#a", False),
        ("https://issuer.example:x/keys", False),
        ("https://[x/keys", False),
        ("https://issuer.example/a b", False),
        ("https://issuer.example/\n", False),
        ("https://bücher.example/", False),
        ("", False),
    ],
)
def test_the_url_of_a_key_set(url, good) -> None:
    assert (verify.jwks_url_problem(url) is None) == good
