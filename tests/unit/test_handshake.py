"""Handshakes: answered at once, nothing echoed that could be HTML, nothing signed that could be
an event."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace

import pytest
from multidict import CIMultiDict

from dispatchd import verify
from dispatchd.verify import Auth, SignatureSpec, compile_verifier
from dispatchd.verify.greetings import Greeting

SECRET = b"a-secret"
HOSTILE = (
    "<script>alert(1)</script>",
    "a b",
    "a&b",
    'a"b',
    "a\r\nSet-Cookie: x",
    "é",
    "٣",
    "",
    "a" * 513,
    '{"type":"x"}',
    "v0:1800000000:{}",
)


def answer(provider, *, document=None, method="POST", query="", **auth):
    verifier = verify.compile_verifier(verify.Auth(provider, **auth))
    body = b"" if document is None else json.dumps(document).encode()
    sender = verify.Inbound(method, CIMultiDict(), query, body, 0.0)
    return verifier.handshake(sender, document)


def slack(challenge):
    document = {"type": "url_verification", "token": "x", "challenge": challenge}
    return answer("slack", document=document, secrets=(SECRET,))


def zoom(token):
    document = {"event": "endpoint.url_validation", "payload": {"plainToken": token}}
    return answer("zoom", document=document, secrets=(SECRET,))


def x(query):
    return answer("x", method="GET", query=query, secrets=(SECRET, b"older"))


def meta(query, token=b"tok-1"):
    return answer("meta", method="GET", query=query, secrets=(SECRET,), verify_token=token)


def test_slack_echoes_the_challenge():
    got = slack("3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkR03IXJFHD")
    assert (got.status, got.content_type) == (200, "text/plain; charset=utf-8")
    assert got.body == b"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkR03IXJFHD"


def test_zoom_signs_the_plain_token():
    got = zoom("qgg8vlvZRS6UYooatFL8Aw")
    encrypted = hmac.new(SECRET, b"qgg8vlvZRS6UYooatFL8Aw", hashlib.sha256).hexdigest()
    assert got.status == 200
    assert json.loads(got.body) == {
        "plainToken": "qgg8vlvZRS6UYooatFL8Aw",
        "encryptedToken": encrypted,
    }


def test_x_signs_the_crc_token_with_its_first_secret():
    got = x("crc_token=ZjhlMWQ5&nonce=1")
    signed = base64.b64encode(hmac.new(SECRET, b"ZjhlMWQ5", hashlib.sha256).digest()).decode()
    assert json.loads(got.body) == {"response_token": f"sha256={signed}"}
    assert (got.status, got.content_type) == (200, "application/json")


def test_meta_echoes_to_whoever_knows_the_token():
    got = meta("hub.mode=subscribe&hub.verify_token=tok-1&hub.challenge=1158201444")
    assert (got.status, got.content_type) == (200, "text/plain; charset=utf-8")
    assert got.body == b"1158201444"


@pytest.mark.parametrize(
    "query",
    [
        "hub.mode=subscribe&hub.verify_token=wrong&hub.challenge=1",
        "hub.mode=subscribe&hub.verify_token=&hub.challenge=1",
        "hub.mode=subscribe&hub.verify_token=t%C3%B6k&hub.challenge=1",
        "hub.mode=subscribe&hub.verify_token=%ff&hub.challenge=1",
        "hub.mode=subscribe&hub.verify_token=tok-1&hub.verify_token=tok-1&hub.challenge=1",
        "hub.mode=unsubscribe&hub.verify_token=tok-1&hub.challenge=1",
        "hub.challenge=1",
        "",
        "a=b&" * 200,
    ],
)
def test_meta_refuses_everyone_else(query):
    got = meta(query)
    assert got.status == 403
    assert json.loads(got.body)["error"]["code"] == "invalid_verify_token"


@pytest.mark.parametrize("hostile", HOSTILE)
def test_nothing_hostile_is_echoed_or_signed(hostile):
    from urllib.parse import quote  # noqa: PLC0415 - only here

    base = f"hub.mode=subscribe&hub.verify_token=tok-1&hub.challenge={quote(hostile)}"
    for got in (slack(hostile), zoom(hostile), x(f"crc_token={quote(hostile)}"), meta(base)):
        assert got.status == 400
        assert json.loads(got.body)["error"]["code"] == "invalid_challenge"
        assert not hostile or hostile.encode() not in got.body


@pytest.mark.parametrize("odd", [None, 5, [], {}, True])
def test_a_challenge_that_is_no_text_is_refused(odd):
    assert slack(odd).status == 400
    assert zoom(odd).status == 400


def test_discord_pings():
    key = ("00" * 31 + "01",)
    assert answer("discord", document={"version": 1, "type": 0}, public_keys=key).status == 204
    pong = answer("discord", document={"type": 1, "id": "1", "token": "x"}, public_keys=key)
    assert (pong.status, pong.body) == (200, b'{"type":1}')


@pytest.mark.parametrize(
    ("provider", "document"),
    [
        ("slack", {"type": "event_callback", "challenge": "x"}),
        ("slack", []),
        ("slack", None),
        ("zoom", {"event": "meeting.started"}),
        ("zoom", "text"),
        ("github", {"type": "url_verification", "challenge": "x"}),
        ("x", {"crc_token": "x"}),
        ("generic", {"type": 0}),
    ],
)
def test_an_event_is_no_handshake(provider, document):
    assert answer(provider, document=document, secrets=(SECRET,)) is None


@pytest.mark.parametrize(
    "document",
    [{"type": 1, "event": {"type": "X"}}, {"type": True}, {"type": 2}, {"type": "0"}, [0], None],
)
def test_a_discord_event_is_no_ping(document):
    assert answer("discord", document=document, public_keys=("00" * 31 + "01",)) is None


def test_only_some_providers_are_asked_by_get():
    asked = {
        name
        for name in ("generic", "github", "slack", "zoom", "x")
        if "GET" in verify.compile_verifier(verify.Auth(name, secrets=(SECRET,))).methods
    }
    assert asked == {"x"}
    known = verify.Auth("meta", secrets=(SECRET,), verify_token=b"t")
    assert verify.compile_verifier(known).methods == {"GET"}
    assert answer("slack", method="GET", query="challenge=x", secrets=(SECRET,)) is None


def test_an_answer_to_a_crc_is_no_signature_of_an_event():
    got = json.loads(x("crc_token=12345").body)["response_token"]
    verifier = verify.compile_verifier(verify.Auth("x", secrets=(SECRET,)))
    headers = CIMultiDict({"x-twitter-webhooks-signature": got})
    verdict = verifier.verify(verify.Inbound("POST", headers, "", b"12345", 0.0))
    assert isinstance(verdict, verify.Rejected)


@pytest.mark.parametrize(
    "auth",
    [
        Auth(
            signature=SignatureSpec(header="X-Sig", template="{body.ts}.{body.id}"),
            secrets=(b"s",),
        ),
        Auth(provider="mailgun", secrets=(b"s",)),
    ],
)
def test_a_handshake_signs_nothing_that_proves_an_event_without_its_body(auth):
    # GET ?challenge=1700000000token is answered with just what such an event is proven by.
    signing = replace(auth, handshakes=(Greeting("query", "challenge", sign="hex"),))
    assert compile_verifier(auth)
    assert compile_verifier(replace(auth, handshakes=(Greeting("query", "challenge"),)))
    with pytest.raises(ValueError, match="would sign anybody's event"):
        compile_verifier(signing)
