"""What dispatchd signs, the public verifiers of Standard Webhooks take, and no other."""

import base64

import nacl.exceptions
import nacl.signing
import pytest
import standardwebhooks
import svix
from gidgethub import ValidationFailure
from gidgethub.sansio import validate_event
from nouns import an_event

from dispatchd.clock import SystemClock
from dispatchd.config import parse
from dispatchd.model import Delivery, DeliveryStatus, Request
from dispatchd.plan.compiling import compile_plan
from dispatchd.verify import private_key_text, signing_secret_text

BODIES = [b'{ "a":\t1.10 }\r\n', '{"name":"Zoë 東京"}'.encode(), b"[]"]
WHSEC, WHSEC_2 = (signing_secret_text(bytes([n]) * 32) for n in (1, 2))
WHSK, WHPK = private_key_text(bytes(range(32)))


def sent(options: str, body: bytes) -> Request:
    config = parse(f"destinations: {{crm: {{url: 'http://x/', {options}}}}}", environ={})
    [spec] = list(compile_plan(config).lanes.values())
    now_ms = SystemClock().now_ms()
    delivery = Delivery("e", "crm", DeliveryStatus.QUEUED, 0, 0, 0, now_ms)
    return spec.courier.compose(an_event(body=body), delivery, None, now_ms)


LIBRARIES = {
    "standardwebhooks": (
        lambda secret, body, headers: standardwebhooks.Webhook(secret).verify(body, headers),
        standardwebhooks.WebhookVerificationError,
    ),
    "svix": (
        lambda secret, body, headers: svix.Webhook(secret).verify(body, headers),
        svix.WebhookVerificationError,
    ),
}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("body", BODIES, ids=len)
@pytest.mark.parametrize("secrets", [WHSEC, f"[{WHSEC_2}, {WHSK}, {WHSEC}]"])
def test_v1(library: str, body: bytes, secrets: str) -> None:
    verify, refusal = LIBRARIES[library]
    request = sent(f"signing_secret: {secrets}", body)
    headers = {name.lower(): value for name, value in request.headers.items()}
    verify(WHSEC, request.body, headers)
    with pytest.raises(refusal):
        verify(WHSEC, request.body + b" ", headers)
    with pytest.raises(refusal):
        verify(signing_secret_text(b"n" * 32), request.body, headers)
    with pytest.raises(refusal):
        verify(WHSEC, request.body, {**headers, "webhook-id": "another"})


@pytest.mark.parametrize("body", BODIES, ids=len)
def test_v1a(body: bytes) -> None:
    request = sent(f"signing_secret: {WHSK}", body)
    headers = request.headers
    version, _, signature = headers["webhook-signature"].partition(",")
    assert version == "v1a"
    message = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = nacl.signing.VerifyKey(base64.b64decode(WHPK.removeprefix("whpk_")))
    key.verify(message, base64.b64decode(signature))
    with pytest.raises(nacl.exceptions.BadSignatureError):
        key.verify(message + b" ", base64.b64decode(signature))


def test_a_private_key_is_spelled_as_the_specification_does() -> None:
    """Its 64 bytes are the key and its public half, as libsodium has them."""
    raw = base64.b64decode(WHSK.removeprefix("whsk_"))
    signing = nacl.signing.SigningKey(raw[:32])
    assert raw[32:] == bytes(signing.verify_key) == base64.b64decode(WHPK.removeprefix("whpk_"))


@pytest.mark.parametrize("body", BODIES, ids=len)
def test_hub(body: bytes) -> None:
    request = sent("signing_secret: s3cr3t, signing: hub", body)
    value = request.headers["X-Hub-Signature-256"]
    validate_event(request.body, signature=value, secret="s3cr3t")
    with pytest.raises(ValidationFailure):
        validate_event(request.body + b" ", signature=value, secret="s3cr3t")
