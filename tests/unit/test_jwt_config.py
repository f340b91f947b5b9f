"""Mistakes in how a config says that tokens prove a sender."""

import re
from dataclasses import replace

import pytest
from configs import assert_one_problem, endpoint
from tokens import pem, rsa_key

from dispatchd import verify
from dispatchd.config import Config, parse
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
        (Auth(jwt=replace(SPEC, algorithms=("RS265",))), 'unknown algorithm "RS265"; known'),
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


HTTPS = "https://issuer.example/keys"
CASES = {
    "http": (
        endpoint("jwt: {jwks: 'http://issuer.example', audience: x}"),
        "3: endpoints.a.jwt.jwks: could be answered by anybody on the way; write https://",
    ),
    "no audience": (endpoint(f"jwt: {{jwks: '{HTTPS}'}}"), "2: endpoints.a: jwt needs audience"),
    "none": (
        endpoint(f"jwt: {{jwks: '{HTTPS}', audience: x, algorithms: none}}"),
        "2: endpoints.a: jwt.algorithms holds none, which proves nothing; remove it",
    ),
    "unknown key": (
        endpoint(f"jwt: {{jwks: '{HTTPS}', audience: x, isuer: y}}"),
        '3: endpoints.a.jwt.isuer: unknown key; did you mean "issuer"?',
    ),
    "claim": (
        endpoint(f"jwt: {{jwks: '{HTTPS}', audience: x, claims: {{a: 1.5}}}}"),
        "3: endpoints.a.jwt.claims.a: must be text, a whole number, or true or false",
    ),
    "empty": (endpoint("secret: s\n    jwt:"), "4: endpoints.a.jwt: has no value"),
    "contradiction": (
        endpoint("auth: none\n    jwt: {audience: x}"),
        "3: endpoints.a.auth: contradicts the jwt",
    ),
    "Pub/Sub without its URL": (
        endpoint("provider: google-pubsub\n    jwt: {claims: {email: a}}"),
        "2: endpoints.a: its tokens are for the public URL, which is not known; set url",
    ),
    "Pub/Sub without its account": (
        endpoint("provider: google-pubsub\n    jwt: {audience: a}"),
        "2: endpoints.a: jwt.claims needs email",
    ),
    "no topic": (endpoint("provider: aws-sns"), "2: endpoints.a: provider aws-sns needs topic"),
    "odd topic": (
        endpoint("provider: aws-sns\n    topic: orders"),
        "2: endpoints.a: topic is no ARN of a topic; write arn:aws:sns:",
    ),
    "no topics": (
        endpoint("provider: aws-sns\n    topic: []"),
        "4: endpoints.a.topic: must hold at least one",
    ),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_one_problem_at_its_line(text, expected) -> None:
    assert_one_problem(text, expected)


@pytest.mark.parametrize(
    "text",
    [
        endpoint("secret: s\n    jwt: {}"),
        endpoint("provider: netlify\n    secret: s"),
        endpoint(f"provider: fusionauth\n    jwt: {{jwks: '{HTTPS}'}}"),
        endpoint(f"provider: github\n    jwt: {{jwks: '{HTTPS}', audience: [x, y], issuer: z}}"),
        endpoint("provider: google-pubsub\n    jwt: {audience: a, claims: {email: b}}"),
        endpoint(
            "provider: google-pubsub\n    url: https://h.example/\n    jwt: {claims: {email: b}}"
        ),
        endpoint(f"provider: aws-sns\n    topic: [{TOPIC}, {TOPIC}.fifo]"),
    ],
)
def test_what_is_enough(text) -> None:
    assert isinstance(parse(text), Config)
