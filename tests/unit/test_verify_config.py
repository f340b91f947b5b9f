"""What the config may say about senders: named providers, schemes of one's own, and mistakes."""

import hmac
import re
import subprocess
import sys

import pytest
from multidict import CIMultiDict

from dispatchd import verify
from dispatchd.verify import Auth, SignatureSpec
from dispatchd.verify.providers import PROVIDERS

SECRET = (b"a-secret",)
WHSEC = b"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
KEY = "11" * 32


@pytest.mark.parametrize(
    ("auth", "words"),
    [
        (Auth("githup", SECRET), "provider 'githup' is unknown"),
        (Auth("github"), "github needs secret"),
        (Auth("github", (b"",)), "a secret is empty"),
        (Auth("github", SECRET, public_keys=(KEY,)), "no use for public_key"),
        (Auth("github", SECRET, verify_token=b"x"), "no use for verify_token"),
        (Auth("github", SECRET, webhook_id="x"), "no use for webhook_id"),
        (Auth("github", SECRET, tolerance_s=0), "tolerance"),
        (Auth("standard-webhooks"), "needs secret or public_key"),
        (Auth("standard-webhooks", (b"whsec_***",)), "not base64 behind its whsec_"),
        (Auth("standard-webhooks", (b"whsec_",)), "not base64 behind its whsec_"),
        (Auth("standard-webhooks", (b"whsec_YWJj",)), "24 to 64 bytes, not 3"),
        (Auth("svix", ("whsec_ключ".encode(),)), "not base64"),
        (Auth("svix", public_keys=("whpk_YWJj",)), "64 hex digits"),
        (Auth("gitlab", (b"whsec_YWJj",)), "24 to 64 bytes"),
        (Auth("discord", SECRET, public_keys=(KEY,)), "no use for secret"),
        (Auth("discord"), "discord needs public_key"),
        (Auth("discord", public_keys=("11" * 31,)), "64 hex digits"),
        (Auth("discord", public_keys=("zz" * 32,)), "64 hex digits"),
        (Auth("discord", public_keys=("",)), "64 hex digits"),
        (Auth("twilio", SECRET), "twilio needs url (or server.public_url)"),
        (Auth("twilio", SECRET, url="hooks.example.com/x"), "not an http or https URL"),
        (Auth("twilio", SECRET, url="https://h:99999/x"), "not an http or https URL"),
        (Auth("twilio", SECRET, url="https://bücher.example/x"), "not an http or https URL"),
        (Auth("square", SECRET, url="https://h.example/x?a=b"), "must not have a query"),
        (Auth("paypal"), "paypal needs webhook_id"),
        (Auth("paypal", webhook_id="ключ"), "webhook_id is not ASCII"),
        (Auth("meta", SECRET), "meta needs verify_token"),
        (Auth("github", SECRET, signature=SignatureSpec(header="X-Sig")), "leave out provider"),
        (Auth(signature=SignatureSpec(header="X-Sig")), "signature needs secret"),
    ],
)
def test_a_mistake_is_said_in_a_sentence(auth, words):
    assert words in "; ".join(verify.problems(auth))
    with pytest.raises(ValueError, match=re.escape(words)):
        verify.compile_verifier(auth)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({}, "either header or path"),
        ({"header": "X", "path": "a"}, "either header or path"),
        ({"header": "X", "algorithm": "md5"}, "algorithm 'md5'"),
        ({"header": "X", "encoding": "base32"}, "encoding 'base32'"),
        ({"header": "X", "template": "{bodie}"}, "names something unknown"),
        ({"header": "X", "template": "{body!r}"}, "plain names only"),
        ({"header": "X", "template": "{body:>9}"}, "plain names only"),
        ({"header": "X", "template": "{body.a:{body}}"}, "plain names only"),
        ({"header": "X", "template": "{0}"}, "names something unknown"),
        ({"header": "X", "template": "{body"}, "malformed"),
        ({"header": "X", "template": "}"}, "malformed"),
        ({"header": "X", "template": "{header.}"}, "names something unknown"),
        ({"header": "X", "template": "{body[0]}"}, "names something unknown"),
        ({"header": "X", "template": "{body.__class__}.{x.y}"}, "names something unknown"),
        ({"header": "X", "template": "{{body}}"}, "signs nothing"),
        ({"header": "X", "template": ""}, "signs nothing"),
        ({"header": "X", "template": "{timestamp}.{body}"}, "say where it is"),
        ({"header": "X", "timestamp_header": "T"}, "does not sign the timestamp"),
        ({"header": "X", "tolerance_s": 60}, "tolerance needs a timestamp"),
        (
            {"header": "X", "timestamp_header": "T", "template": "{timestamp}", "tolerance_s": 0},
            "more than nothing",
        ),
        (
            {"header": "X", "timestamp_header": "T", "timestamp_path": "t"}
            | {"template": "{timestamp}.{body}"},
            "not both",
        ),
        ({"header": "X", "template": "{url}{body}"}, "give url"),
    ],
)
def test_a_mistake_in_a_scheme_is_said(spec, words):
    found = verify.problems(Auth(secrets=SECRET, signature=SignatureSpec(**spec)))
    assert words in "; ".join(found)


def mac(message, algorithm="sha256"):
    return hmac.new(SECRET[0], message, algorithm)


def judge(spec, headers, body, *, now_s=1000.0, method="POST", query="", **auth):
    verifier = verify.compile_verifier(
        Auth(secrets=SECRET, signature=SignatureSpec(**spec), **auth)
    )
    sender = verify.Inbound(method, CIMultiDict(headers), query, body, now_s)
    return verifier.verify(sender)


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_a_scheme_of_ones_own(algorithm, encoding):
    import base64  # noqa: PLC0415 - only here

    digest = mac(b"1000.{}", algorithm).digest()
    text = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
    spec = {
        "header": "X-Acme-Sig",
        "algorithm": algorithm,
        "encoding": encoding,
        "prefix": "v1:",
        "timestamp_header": "X-Acme-Time",
        "template": "{timestamp}.{body}",
    }
    headers = {"X-Acme-Sig": f"v1:{text}", "X-Acme-Time": "1000"}
    assert judge(spec, headers, b"{}") == verify.Genuine("signature[0]")
    assert judge(spec, headers, b"{} ").code == "invalid_signature"
    assert judge(spec, headers, b"{}", now_s=1301).code == "stale_timestamp"
    assert judge(spec | {"tolerance_s": 400}, headers, b"{}", now_s=1301).by == "signature[0]"


def test_a_scheme_over_headers_url_and_method():
    spec = {"header": "X-Sig", "template": "{method} {url} {header.X-Id} {body}"}
    url = "https://h.example/hooks/a"
    signature = mac(b"POST https://h.example/hooks/a?b=c 7 {}").hexdigest()
    headers = {"X-Sig": signature, "X-Id": "7"}
    assert judge(spec, headers, b"{}", query="b=c", url=url) == verify.Genuine("signature[0]")
    assert judge(spec, headers, b"{}", query="b=d", url=url).code == "invalid_signature"
    assert judge(spec, {"X-Sig": signature}, b"{}", query="b=c", url=url).code == (
        "invalid_signature"
    )


def test_a_scheme_whose_parts_are_in_the_body():
    spec = {
        "path": "signature.value",
        "timestamp_path": "signature.time",
        "template": "{body.signature.time}|{body.signature.nonce}",
    }
    signature = mac(b"1000|5").hexdigest()
    body = b'{"signature":{"value":"%s","time":"1000","nonce":5}}' % signature.encode()
    assert judge(spec, {}, body) == verify.Genuine("signature[0]")
    assert judge(spec, {}, body, now_s=2000).code == "stale_timestamp"
    assert judge(spec, {}, body.replace(b":5}", b":6}")).code == "invalid_signature"
    assert judge(spec, {}, b'{"signature":{"time":"1000"}}').code == "unauthenticated"
    assert judge(spec, {}, b"[" * 100_000).code == "unauthenticated"


def test_a_scheme_of_ones_own_replaces_the_generic_one():
    headers = {"X-Dispatch-Signature": verify.sign(SECRET[0], b"{}")}
    assert judge({"header": "X-Sig"}, headers, b"{}").code == "unauthenticated"


def test_cryptography_is_imported_only_for_public_keys():
    script = (
        "import sys\n"
        "from dispatchd import verify\n"
        "for name in ('github', 'standard-webhooks', 'x', 'zoom'):\n"
        f"    verify.compile_verifier(verify.Auth(name, ({WHSEC!r},)))\n"
        "assert 'cryptography' not in sys.modules\n"
        f"verify.compile_verifier(verify.Auth('discord', public_keys=({KEY!r},)))\n"
        "assert 'cryptography' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_certificate_is_asked_for_only_by_paypal_and_only_of_paypal():
    headers = CIMultiDict(
        {"PAYPAL-CERT-URL": "https://api.paypal.com/v1/notifications/certs/CERT-1"}
    )

    class Nothing:
        def get(self, url):
            return None

        def roots(self):
            return b""

    paypal = verify.compile_verifier(Auth("paypal", webhook_id="1"), Nothing())
    github = verify.compile_verifier(Auth("github", SECRET))
    sender = verify.Inbound("POST", headers, "", b"", 0.0)
    assert paypal.pinned(sender).url == headers["PAYPAL-CERT-URL"]
    assert github.pinned(sender) is None
    headers["PAYPAL-CERT-URL"] = "https://evil.example/v1/notifications/certs/CERT-1"
    assert paypal.pinned(sender) is None


def test_an_alias_is_its_provider():
    assert verify.compile_verifier(Auth("svix", (WHSEC,))).provider == "standard-webhooks"


@pytest.mark.parametrize(
    ("provider", "document", "event_type"),
    [
        ("linear", {"type": "Issue"}, "Issue"),
        ("linear", {"action": "create"}, None),
        ("meta", {"object": "page", "entry": [{"messaging": []}]}, "page"),
        (
            "meta",
            {
                "object": "page",
                "entry": [{"changes": [{"field": "feed"}]}, {"changes": [{"field": "mention"}]}],
            },
            "page",
        ),
        ("meta", {"object": "page", "entry": [5, {"changes": 5}, {"changes": [5]}]}, "page"),
        ("meta", {"entry": [{"changes": [{"field": "feed"}]}]}, None),
        ("x", {"for_user_id": "1", "user_event": {}}, "user_event"),
        ("x", {"for_user_id": "1", "direct": {}, "dm_events": []}, "dm_events"),
        ("x", {"for_user_id": "1"}, None),
        ("x", [], None),
        ("stripe", {"type": ""}, None),
        ("stripe", {"type": "x" * 256}, "x" * 256),
        ("stripe", {"type": {"a": 1}}, None),
        ("stripe", {"type": "\ud800"}, None),
        ("stripe", {"type": 5}, "5"),
        ("stripe", None, None),
        ("slack", {"type": "event_callback", "event": []}, "event_callback"),
        ("twilio", {"CallStatus": "ringing"}, "ringing"),
    ],
)
def test_event_types_in_odd_documents(provider, document, event_type):
    needed = {"meta": {"verify_token": b"t"}, "twilio": {"url": "https://h.example/"}}
    verifier = verify.compile_verifier(Auth(provider, SECRET, **needed.get(provider, {})))
    assert verifier.event_type(CIMultiDict(), document) == event_type


def test_delivery_ids_that_any_sender_may_use():
    verifier = verify.compile_verifier(Auth(secrets=SECRET))
    both = CIMultiDict({"Idempotency-Key": "a", "webhook-id": "b"})
    assert verifier.delivery_id(both, None) == "b"
    assert verifier.delivery_id(CIMultiDict({"idempotency-key": "a"}), None) == "a"
    assert verifier.delivery_id(CIMultiDict([("Idempotency-Key", "a")] * 2), None) is None
    assert verifier.delivery_id(CIMultiDict({"Idempotency-Key": "a" * 256}), None) is None
    assert verifier.delivery_id(CIMultiDict({"Idempotency-Key": " "}), None) is None


@pytest.mark.parametrize(
    "name",
    [
        *(
            scheme.header
            for provider in PROVIDERS.values()
            for scheme in provider.schemes
            if scheme.header
        ),
        "X-Twilio-Signature",
        "PayPal-Transmission-Sig",
        "Authorization",
        "X-Hub-Signature",
    ],
)
def test_what_signs_is_never_stored(name):
    assert verify.is_secret_header(name)
    headers = CIMultiDict([(name, "x"), ("X-Event-Key", "a"), ("X-Event-Key", "b")])
    assert verify.storable_headers(headers) == (("X-Event-Key", "a"), ("X-Event-Key", "b"))


def test_the_generic_scheme_without_a_compiled_endpoint():
    headers = CIMultiDict({"X-Dispatch-Signature": verify.sign(b"s", b"{}")})
    assert verify.verify(headers, b"{}", secrets=[b"s"], api_keys=[]).by == "dispatch[0]"
    assert verify.verify(headers, b"[]", secrets=[b"s"], api_keys=[]).code == "invalid_signature"
    assert verify.verify(headers, b"[]", secrets=[], api_keys=[], open_to_all=True).by == "none"


def test_secrets_are_never_printed():
    auth = Auth("meta", (b"sesame",), verify_token=b"open")
    assert "sesame" not in repr(auth)
    assert "open'" not in repr(auth)
    assert "sesame" not in repr(verify.compile_verifier(auth))
