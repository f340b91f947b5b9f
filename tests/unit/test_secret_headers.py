"""Which headers are never stored, logged or shown, by their names alone."""

import pytest
from multidict import CIMultiDict

from dispatchd.verify import is_secret_header, storable_headers

SECRET = """
Authorization Proxy-Authorization X-Authorization X-Original-Authorization Cookie Set-Cookie Cookie2
X-Auth X-Auth-Token X-Auth-Request-Access-Token X-Auth-Key X-Vendor-Auth X-Authentication
X-Api-Key Api-Key ApiKey X-ApiKey X_API_KEY Ocp-Apim-Subscription-Key X-Access-Key X-Functions-Key
Cf-Access-Jwt-Assertion Cf-Access-Client-Secret Cf-Access-Token X-Goog-IAP-JWT-Assertion
X-Amzn-Oidc-Data X-Amzn-Oidc-Accesstoken X-Amzn-Oidc-Identity X-Pomerium-Jwt-Assertion
X-MS-TOKEN-AAD-ID-TOKEN X-Forwarded-Access-Token X-CSRF-Token X-Vault-Token Job-Token
X-Jwt Jwt X-Ms-Jwt-Payload X-Session X-Session-Id Session-Token X-Sessionid X-Php-Session
Password X-Password X-User-Pass X-Pass Pass X-Passphrase X-Passcode X-Passkey X-Passwd
X_Pass X-Userpass
X-OTP Otp X-Otp-Code X-Totp X-Github-OTP X-2fa-Otp X-Hotp
Sign X-Sign X-Request-Sign X-Lc-Sign Sign-Value X-Sig X-Sig-V2 X-Hub-Signature X-Hub-Signature-256
Signature Signature-Input Stripe-Signature X-Shopify-Hmac-Sha256 X-Acme-Secret X-Credentials
"""

KEPT = """
Content-Type Content-Encoding Content-Digest Digest User-Agent Accept Host Date Via Forwarded
X-Forwarded-For X-Real-Ip X-Request-Id X-Correlation-Id Traceparent Cf-Ray Cf-Connecting-Ip
X-GitHub-Event X-GitHub-Delivery X-Gitlab-Event X-Gitlab-Event-UUID X-Event-Key X-Request-UUID
Idempotency-Key X-Idempotency-Key webhook-id webhook-timestamp svix-id X-Shopify-Topic
X-Slack-Request-Timestamp X-Slack-Retry-Num Linear-Delivery X-Event-Type X-Hook-ID
X-Robots-Tag X-Option X-Options X-Frame-Options X-Content-Type-Options Allow
X-Photo-Id X-Adopt-Plan
X-Assigned-To X-Assignee X-Design-Id X-Designer X-Signed-Off-By X-Signal X-Sigma X-Signup-Source
X-Bypass-Cache X-Compass X-Passenger X-Passed X-Author X-Author-Email X-Authors X-Robot-Plan
X-Monkey X-Keyword X-Key-Count Keep-Alive X-Hotplug
"""


@pytest.mark.parametrize("name", SECRET.split())
def test_what_authenticates_is_kept_nowhere(name: str) -> None:
    for spelled in (name, name.lower(), name.upper()):
        assert is_secret_header(spelled)


@pytest.mark.parametrize("name", KEPT.split())
def test_what_merely_looks_like_it_is_kept(name: str) -> None:
    for spelled in (name, name.lower(), name.upper()):
        assert not is_secret_header(spelled)


def test_a_name_that_is_too_long_is_not_looked_at() -> None:
    """Thousands of characters in each of many names would be searched for every word."""
    assert is_secret_header("x" * 129)
    assert not is_secret_header("x" * 128)
    headers = CIMultiDict([("x" * 129, "a"), ("X-Kept", "b"), ("X-Mine", "c")])
    assert storable_headers(headers, {"x-mine"}) == (("X-Kept", "b"),)


def test_a_url_that_a_proxy_adds_is_kept_without_its_query() -> None:
    """A sender may prove itself by a token in its URL, which is kept nowhere else either."""
    for name in (
        "X-Original-URI",
        "X-Original-URL",
        "X-Forwarded-Uri",
        "X-Rewrite-Url",
        "x-envoy-original-path",
        "X-Request-URI",
        "Referer",
    ):
        headers = CIMultiDict([(name, "/hooks/a?token=s3cret"), ("X-Question", "a?b")])
        assert storable_headers(headers) == ((name, "/hooks/a"), ("X-Question", "a?b"))
