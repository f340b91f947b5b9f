"""The verifier beside other implementations, live: each must take what the other signs."""

import datetime as dt
import sys
import time
from pathlib import Path
from urllib.parse import urlencode

import atlassian_jwt
import gidgethub
import gidgethub.sansio
import jwt
import nacl.exceptions
import nacl.signing
import pytest
import slack_sdk.signature
import standardwebhooks
import stripe
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, MultiDict
from paypalrestsdk.notifications import WebhookEvent
from square.utils.webhooks_helper import verify_signature
from twilio.request_validator import RequestValidator

from dispatchd import verify
from dispatchd.verify.atlassian import query_string_hash

sys.path.append(str(Path(__file__).parents[1] / "vectors"))

import reading

SECRET = "a-secret-of-thirty-two-bytes-0123"
WHSEC = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
URL = "https://hooks.example.com/hooks/here"
BODIES = ["{}", '{"type":"a","name":"Zoë 東京"}', '{"big":"' + "x" * 100_000 + '"}', "\\u00e9", ""]
bodies = pytest.mark.parametrize("body", BODIES, ids=len)


def judge(provider, headers, body, *, now_s=0.0, method="POST", query="", secret=SECRET, **auth):
    if secret:
        auth["secrets"] = (b"another-secret-of-thirty-two-bytes" if secret != WHSEC else
                           secret[:-1].encode() + b"E", secret.encode())  # fmt: skip
    verifier = verify.compile_verifier(verify.Auth(provider, **auth))
    sender = verify.Inbound(method, CIMultiDict(headers), query, body.encode(), now_s)
    return isinstance(verifier.verify(sender), verify.Genuine)


@bodies
def test_stripe(body):
    now = int(time.time())
    value = stripe.WebhookSignature.generate_signature_header(body, SECRET, timestamp=now)
    assert stripe.WebhookSignature.verify_header(body, value, SECRET, 300)
    assert judge("stripe", {"Stripe-Signature": value}, body, now_s=now)
    assert not judge("stripe", {"Stripe-Signature": value}, body + " ", now_s=now)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(body + " ", value, SECRET, 300)


@bodies
def test_slack(body):
    now = str(int(time.time()))
    verifier = slack_sdk.signature.SignatureVerifier(SECRET)
    value = verifier.generate_signature(timestamp=now, body=body)
    headers = {"X-Slack-Signature": value, "X-Slack-Request-Timestamp": now}
    assert verifier.is_valid_request(body, headers)
    assert judge("slack", headers, body, now_s=int(now))
    assert not verifier.is_valid_request(body + " ", headers)
    assert not judge("slack", headers, body + " ", now_s=int(now))


@pytest.mark.parametrize("prefix", ["webhook", "svix"])
@pytest.mark.parametrize("provider", ["standard-webhooks", "gitlab"])
@bodies
def test_standard_webhooks(provider, prefix, body):
    now = dt.datetime.now(dt.UTC)
    webhook = standardwebhooks.Webhook(WHSEC)
    names = {
        "id": "msg_1",
        "timestamp": str(int(now.timestamp())),
        "signature": webhook.sign("msg_1", now, body),
    }
    webhook.verify(
        body, {f"webhook-{name}": value for name, value in names.items()}, json_parse=False
    )
    headers = {f"{prefix}-{name}": value for name, value in names.items()}
    known = prefix == "webhook" or provider == "standard-webhooks"
    at_s = now.timestamp()
    assert judge(provider, headers, body, now_s=at_s, secret=WHSEC) is known
    assert not judge(provider, headers, body + " ", now_s=at_s, secret=WHSEC)


@bodies
def test_ed25519(body):
    key = nacl.signing.SigningKey.generate()
    signed = key.sign(b"123" + body.encode()).signature
    key.verify_key.verify(b"123" + body.encode(), signed)
    headers = {"X-Signature-Ed25519": signed.hex(), "X-Signature-Timestamp": "123"}
    public = (bytes(key.verify_key).hex(),)
    assert judge("discord", headers, body, public_keys=public, secret="")
    assert not judge("discord", headers, body + " ", public_keys=public, secret="")
    with pytest.raises(nacl.exceptions.BadSignatureError):
        key.verify_key.verify(b"123 " + body.encode(), signed)


@bodies
def test_github(body):
    value = verify.sign(SECRET.encode(), body.encode())
    gidgethub.sansio.validate_event(body.encode(), signature=value, secret=SECRET)
    assert judge("github", {"X-Hub-Signature-256": value}, body)
    wrong = verify.sign(b"wrong", body.encode())
    assert not judge("github", {"X-Hub-Signature-256": wrong}, body)
    with pytest.raises(gidgethub.ValidationFailure):
        gidgethub.sansio.validate_event(body.encode(), signature=wrong, secret=SECRET)


PAIRS = st.lists(
    st.tuples(
        st.text(st.characters(codec="utf-8"), max_size=8),
        st.text(st.characters(codec="utf-8"), max_size=8),
    ),
    max_size=8,
)


@given(PAIRS, st.sampled_from([URL, URL.replace(".com", ".com:443"), "http://h.example:81/a"]))
def test_twilio_form(pairs, url):
    value = RequestValidator(SECRET).compute_signature(url, MultiDict(pairs))
    assert RequestValidator(SECRET).validate(url, MultiDict(pairs), value)
    headers = {
        "X-Twilio-Signature": value,
        "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
    }
    assert judge("twilio", headers, urlencode(pairs), url=url)
    assert not judge("twilio", headers, urlencode([*pairs, ("a-name-more", "x")]), url=url)


@bodies
def test_twilio_json(body):
    validator = RequestValidator(SECRET)
    query = f"a=b&bodySHA256={validator.compute_hash(body)}"
    value = validator.compute_signature(f"{URL}?{query}", {})
    assert validator.validate(f"{URL}?{query}", body, value)
    headers = {"X-Twilio-Signature": value, "Content-Type": "application/json"}
    assert judge("twilio", headers, body, query=query, url=URL)
    assert not validator.validate(f"{URL}?{query}", body + " ", value)
    assert not judge("twilio", headers, body + " ", query=query, url=URL)


QUERY = st.lists(
    st.tuples(
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=6),
        st.text(st.characters(codec="utf-8"), max_size=6),
    ),
    max_size=6,
).map(urlencode)


@given(st.sampled_from(["GET", "post"]), st.sampled_from(["/", "/a/b/", "/a&b", "/a%20b"]), QUERY)
def test_query_string_hash(method, path, query):
    url = f"{path}?{query}" if query else path
    expected = atlassian_jwt.url_utils.hash_url(method, url)
    assert query_string_hash(method, path, query) == expected


class Jira(atlassian_jwt.Authenticator):
    def get_shared_secret(self, client_key):
        return SECRET


def test_jira_token():
    now = int(time.time())
    token = atlassian_jwt.encode_token("POST", "/hooks/here?a=b", "client", SECRET)
    headers = {"Authorization": f"JWT {token}"}
    assert Jira().authenticate("POST", "/hooks/here?a=b", headers).client_key == "client"
    assert judge("jira", headers, "{}", now_s=now, query="a=b", url=URL)
    assert not judge("jira", headers, "{}", now_s=now, query="a=c", url=URL)
    with pytest.raises(jwt.DecodeError):
        Jira().authenticate("POST", "/hooks/here?a=c", headers)


@bodies
def test_square(body):
    document = reading.document_of("square")
    case = document["cases"][0]
    headers = CIMultiDict(case["request"]["headers"])
    expected = verify_signature(
        request_body=body,
        signature_header=headers["x-square-hmacsha256-signature"],
        signature_key=document["auth"]["secrets"][0],
        notification_url=document["auth"]["url"],
    )
    case = case | {"request": case["request"] | {"body": body}}
    verdict = reading.verifier_of(document, case).verify(reading.sender_of(document, case))
    assert isinstance(verdict, verify.Genuine) is expected


def test_paypal_signs_what_its_sdk_says():
    from cryptography import x509  # noqa: PLC0415 - this test alone needs it
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - likewise
    from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415 - likewise

    document = reading.document_of("paypal")
    case = document["cases"][0]
    headers = CIMultiDict(case["request"]["headers"])
    message = WebhookEvent._get_expected_sig(
        headers["PAYPAL-TRANSMISSION-ID"],
        headers["PAYPAL-TRANSMISSION-TIME"],
        document["auth"]["webhook_id"],
        case["request"]["body"],
    )
    pem = document["certificates"][headers["PAYPAL-CERT-URL"]].encode()
    signature = verify.decode.base64_bytes(headers["PAYPAL-TRANSMISSION-SIG"])
    x509.load_pem_x509_certificate(pem).public_key().verify(
        signature, message.encode(), padding.PKCS1v15(), hashes.SHA256()
    )
