"""What `send` signs is what the providers' own SDKs take."""

import base64
import json
import time

import pytest
from multidict import CIMultiDict
from standardwebhooks import Webhook
from stripe import WebhookSignature
from twilio.request_validator import RequestValidator

from dispatchd.verify import Auth, Draft, sign_request

BODIES = [b'{ "a":\t1.10 }\r\n', json.dumps({"name": "Zoë 東京"}).encode()]
WHSEC = "whsec_" + base64.b64encode(b"k" * 32).decode()
URL = "https://hooks.example.com/hooks/a"


def signed_headers(provider: str, draft: Draft, *, secret: str = WHSEC) -> CIMultiDict[str]:
    auth = Auth(provider, (secret.encode(),), url=URL)
    return CIMultiDict(sign_request(auth, draft, now_s=time.time(), token="t0k3n").headers)


@pytest.mark.parametrize("body", BODIES, ids=len)
def test_stripe(body: bytes) -> None:
    value = signed_headers("stripe", Draft(body, "application/json"))["Stripe-Signature"]
    assert WebhookSignature.verify_header(body.decode(), value, WHSEC, tolerance=300)


@pytest.mark.parametrize("body", BODIES, ids=len)
def test_standard_webhooks(body: bytes) -> None:
    headers = signed_headers("standard-webhooks", Draft(body, "application/json"))
    assert Webhook(WHSEC).verify(body.decode(), dict(headers)) == json.loads(body)


def test_twilio() -> None:
    draft = Draft(b"To=%2B1415&Body=a+b", "application/x-www-form-urlencoded")
    value = signed_headers("twilio", draft, secret="token")["X-Twilio-Signature"]
    assert RequestValidator("token").validate(URL, {"To": "+1415", "Body": "a b"}, value)
