"""What `send` signs is what the endpoint takes, for every provider."""

import base64
import dataclasses
import json

import pytest
from multidict import CIMultiDict

from dispatchd.verify import (
    Auth,
    CannotSign,
    Draft,
    Genuine,
    Inbound,
    JwtSpec,
    Listed,
    Rejected,
    SignatureSpec,
    compile_verifier,
    provider_names,
    sign_request,
)

NOW_S = 1_800_000_000.0
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
WHSEC = "whsec_" + base64.b64encode(b"k" * 32).decode()
URL = "https://hooks.example.com/hooks/a"
P256 = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7"
    "Yfps5mliLmDyn7Z5A/4QCLi8maQa6elWKLxk8vGyDC1+n1F3o8KU1EYimQ=="
)
PUBLIC = {
    "discord": {"public_keys": ("ab" * 32,)},
    "sendgrid": {"public_keys": (P256,)},
    "paypal": {"webhook_id": "8PT597110X687430LKGECATA"},
    "google-pubsub": {"jwt": JwtSpec(claims={"email": "a@b.example"}), "url": URL},
    "aws-sns": {"topics": ("arn:aws:sns:us-east-1:123456789012:orders",)},
}
EXTRA = {
    "twilio": {"url": URL},
    "square": {"url": URL},
    "trello": {"url": URL},
    "hubspot": {"url": URL},
    "meta": {"verify_token": b"verify-me"},
    "facebook": {"verify_token": b"verify-me"},
    "instagram": {"verify_token": b"verify-me"},
    "whatsapp": {"verify_token": b"verify-me"},
}


def auth_of(provider: str, *, secret: str = WHSEC) -> Auth:
    secret = "5e" * 32 if provider == "adyen" else secret
    return Auth(provider=provider, secrets=(secret.encode(),), **EXTRA.get(provider, {}))


def signed(auth: Auth, draft: Draft, **fields: object) -> tuple[Inbound, bytes]:
    request = sign_request(auth, draft, now_s=NOW_S, token="t0k3n")
    headers = CIMultiDict({"Content-Type": draft.content_type, **request.headers})
    sender = Inbound("POST", headers, request.query, request.body, NOW_S)
    return sender._replace(**fields), request.body


def fields() -> Draft:
    given = {"action": "opened", "signature": "in the way"}
    return Draft(json.dumps(given).encode(), JSON, given)


@pytest.mark.parametrize("provider", sorted(set(provider_names()) - set(PUBLIC)))
def test_what_is_signed_is_accepted_and_nothing_else(provider: str) -> None:
    auth = auth_of(provider)
    verifier = compile_verifier(auth)
    sender, body = signed(auth, fields())
    assert isinstance(verifier.verify(sender), Genuine)
    assert json.loads(body)["action"] == "opened"
    wrong = b"a5" * 32 if provider == "adyen" else b"whsec_" + b"QUFB" * 8
    other = compile_verifier(dataclasses.replace(auth, secrets=(wrong,)))
    assert isinstance(other.verify(sender), Rejected)


@pytest.mark.parametrize("provider", sorted(PUBLIC))
def test_a_private_key_is_the_providers_own(provider: str) -> None:
    with pytest.raises(CannotSign, match=f"only {provider} itself"):
        sign_request(Auth(provider=provider, **PUBLIC[provider]), fields(), now_s=NOW_S, token="t")


@pytest.mark.parametrize(
    "spec",
    [
        SignatureSpec(header="X-Pi", algorithm="sha512", encoding="base64", prefix="v="),
        SignatureSpec(header="X-Pi", timestamp_header="X-Time", template="{timestamp}.{body}"),
        SignatureSpec(header="X-Pi", template="{method} {url} {header.X-Id} {body}"),
        SignatureSpec(path="proof.hmac", template="{body.order.id}"),
        SignatureSpec(
            header="X-Pi",
            listed=Listed(";", ":", "s", timestamp="at"),
            template="{timestamp}{body}",
        ),
        SignatureSpec(header="X-Pi", listed=Listed()),
        SignatureSpec(header="X-Pi", encoding="plain", prefix="Token "),
        SignatureSpec(header="Authorization", encoding="plain", prefix="Bearer "),
        SignatureSpec(query="token"),
        SignatureSpec(basic="joe"),
        SignatureSpec(basic="*"),
        SignatureSpec(header="X-Pi", algorithm="sha384", key="hex"),
        SignatureSpec(header="X-Pi", key="base64", template="{method}{body.no?}{header.No?}{body}"),
        SignatureSpec(
            header="X-Pi", timestamp_header="T", timestamp_unit="ms", template="{timestamp}{body}"
        ),
        SignatureSpec(
            header="X-Pi",
            timestamp_header="T",
            timestamp_unit="iso8601",
            template="{timestamp}{body}",
        ),
        SignatureSpec(header="X-Pi", timestamp_path="at", timestamp_unit="iso8601"),
        SignatureSpec(
            path="hmac", timestamp_path="at", template="{timestamp}{body.id}", algorithm="sha1"
        ),
    ],
)
def test_a_scheme_of_ones_own(spec: SignatureSpec) -> None:
    auth = Auth(secrets=(b"abcdef12",), signature=spec, url=URL)
    sender, _ = signed(auth, fields())
    assert isinstance(compile_verifier(auth).verify(sender), Genuine)


def test_a_file_is_signed_as_it_is() -> None:
    body = b'{ "a":\t1.10 }\r\n'
    auth = auth_of("stripe")
    sender, sent = signed(auth, Draft(body, JSON))
    assert sent == body
    assert isinstance(compile_verifier(auth).verify(sender), Genuine)


def test_a_form_for_twilio() -> None:
    auth = auth_of("twilio", secret="token")
    sender, body = signed(auth, Draft(b"To=%2B1415&Body=a+b", FORM))
    assert isinstance(compile_verifier(auth).verify(sender), Genuine)
    assert len(sender.headers.getall("X-Twilio-Signature")) == 1
    assert (sender.query, body) == ("", b"To=%2B1415&Body=a+b")


def test_a_file_without_what_is_signed() -> None:
    """It is never completed: a file goes byte for byte, or not at all."""
    auth = auth_of("linear")
    sender, body = signed(auth, Draft(b'{"a":1}', JSON))
    assert body == b'{"a":1}'
    assert isinstance(compile_verifier(auth).verify(sender), Rejected)
    with pytest.raises(ValueError, match=r"body's signature\.timestamp is missing"):
        signed(auth_of("mailgun"), Draft(b'{"a":1}', JSON))


def test_gitlab_has_two_kinds_of_secret() -> None:
    auth = auth_of("gitlab", secret="just-a-token")
    sender, _ = signed(auth, fields())
    assert sender.headers.getall("X-Gitlab-Token") == ["just-a-token"]
    assert compile_verifier(auth).verify(sender) == Genuine("gitlab[0]")
    sender, _ = signed(auth_of("gitlab"), fields())
    assert sender.headers.getall("webhook-id") == ["t0k3n"]
