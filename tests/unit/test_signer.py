"""Outgoing signatures: what is written, over which bytes, and when; nothing leaks."""

import base64
import hashlib
import hmac

import pytest
from multidict import CIMultiDict
from nouns import NOW_MS, an_event

from dispatchd.config import ConfigProblems, parse
from dispatchd.model import Delivery, DeliveryStatus, Request
from dispatchd.plan.compiling import compile_plan
from dispatchd.verify import (
    Auth,
    Genuine,
    Inbound,
    SignatureSpec,
    compile_verifier,
    private_key_text,
    signing_secret_text,
)

KEYS = [bytes([n]) * 32 for n in (1, 2)]
WHSEC, WHSEC_2 = map(signing_secret_text, KEYS)
WHSK, WHPK = private_key_text(b"s" * 32)
BODY = b'{ "a":\t1.10 }\r\n'


def composed(options: str, *, attempts: int = 0, content: bytes | None = None) -> Request:
    config = parse(f"destinations: {{crm: {{url: 'http://x/in?a=b', {options}}}}}", environ={})
    [spec] = list(compile_plan(config).lanes.values())
    assert spec.signs
    delivery = Delivery("e", "crm", DeliveryStatus.QUEUED, attempts, 0, 0, NOW_MS)
    return spec.courier.compose(an_event(id="evt", body=BODY), delivery, content, NOW_MS + 999)


def mac(message: bytes, key: bytes = KEYS[0]) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def test_standard_webhooks() -> None:
    headers = composed(f"signing_secret: {WHSEC}").headers
    seconds = NOW_MS // 1000
    assert headers["webhook-id"] == "evt"
    assert headers["webhook-timestamp"] == str(seconds)
    signature = base64.b64encode(mac(b"evt.%d." % seconds + BODY)).decode()
    assert headers["webhook-signature"] == f"v1,{signature}"


def test_it_may_be_named() -> None:
    named = composed(f"signing_secret: {WHSEC}, signing: standard")
    assert named == composed(f"signing_secret: {WHSEC}")


def test_the_id_is_the_same_over_retries() -> None:
    first, second = (composed(f"signing_secret: {WHSEC}", attempts=n) for n in (0, 1))
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["X-Dispatch-Attempt"] != second.headers["X-Dispatch-Attempt"]


def test_every_secret_signs() -> None:
    headers = composed(f"signing_secret: [{WHSEC}, {WHSK}, {WHSEC_2}]").headers
    signatures = headers["webhook-signature"].split(" ")
    assert [s.partition(",")[0] for s in signatures] == ["v1", "v1a", "v1"]
    for auth in (
        Auth("standard-webhooks", (WHSEC.encode(),)),
        Auth("standard-webhooks", (WHSEC_2.encode(),)),
        Auth("standard-webhooks", public_keys=(WHPK,)),
    ):
        sender = Inbound("POST", CIMultiDict(headers), "", BODY, NOW_MS / 1000)
        assert isinstance(compile_verifier(auth).verify(sender), Genuine)


def test_what_is_signed_is_what_is_sent() -> None:
    request = composed(f"signing_secret: {WHSEC}", content=b'{"b":2}')
    message = b"evt.%d." % (NOW_MS // 1000) + request.body
    assert request.body == b'{"b":2}'
    assert base64.b64encode(mac(message)).decode() in request.headers["webhook-signature"]


def test_hub() -> None:
    request = composed("signing_secret: s3cr3t, signing: hub")
    assert request.headers["X-Hub-Signature-256"] == "sha256=" + mac(BODY, b"s3cr3t").hex()
    assert "webhook-id" not in request.headers


def test_a_scheme_of_ones_own() -> None:
    scheme = (
        "{header: X-Sig, algorithm: sha512, encoding: base64, prefix: 'v=', id_header: X-Id,"
        " timestamp_header: X-Time,"
        " template: '{method} {url} {header.X-Id} {header.x-dispatch-attempt} {timestamp} {body}'}"
    )
    headers = composed(f"signing_secret: s3cr3t, signing: {scheme}").headers
    seconds = NOW_MS // 1000
    message = b"POST http://x/in?a=b evt 1 %d " % seconds + BODY
    digest = hmac.new(b"s3cr3t", message, hashlib.sha512).digest()
    assert headers["X-Sig"] == "v=" + base64.b64encode(digest).decode()
    assert (headers["X-Id"], headers["X-Time"]) == ("evt", str(seconds))


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_an_endpoint_of_the_same_scheme_takes_it(algorithm: str, encoding: str) -> None:
    scheme = (
        f"{{header: X-Sig, algorithm: {algorithm}, encoding: {encoding}, prefix: 'v1=',"
        " timestamp_header: X-Time, template: '{timestamp}:{body}'}"
    )
    headers = composed(f"signing_secret: s3cr3t, signing: {scheme}").headers
    spec = SignatureSpec(
        header="X-Sig", algorithm=algorithm, encoding=encoding, prefix="v1=",
        timestamp_header="X-Time", template="{timestamp}:{body}",
    )  # fmt: skip
    verifier = compile_verifier(Auth(secrets=(b"s3cr3t",), signature=spec))
    sender = Inbound("POST", CIMultiDict(headers), "", BODY, NOW_MS / 1000)
    assert isinstance(verifier.verify(sender), Genuine)


def test_nothing_is_signed_unless_asked() -> None:
    [spec] = list(
        compile_plan(parse("destinations: {crm: {url: 'http://x/'}}", environ={})).lanes.values()
    )
    assert not spec.signs


OWN = "signing_secret: s3cr3t, signing: {header: X-Sig, "


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("signing: hub", "signing needs a signing_secret"),
        ("signing: standard", "signing needs a signing_secret"),
        ("signing_secret: ''", "must not be empty"),
        ("signing_secret: null", "signing_secret"),
        ("signing_secret: []", "signing_secret holds no secret"),
        ("signing_secret: s3cr3t", "begins with neither whsec_ nor whsk_"),
        ("signing_secret: whsec_s3cr3t", "is not base64 behind its whsec_"),
        ("signing_secret: whsec_czNjcjN0", "24 to 64 bytes"),
        ("signing_secret: whsk_s3cr3t", "base64 of 32 or 64 bytes"),
        (f"signing_secret: {WHSK[:-6]}AAAA==", "public half of a whsk_ key is not its own"),
        ("signing_secret: [a, b], signing: hub", "room for one signature"),
        ("signing_secret: s3cr3t, signing: stripe", "neither standard nor hub"),
        (OWN + "template: '{timestamp}.{body}'}", "say where it is with timestamp_header"),
        (OWN + "timestamp_header: X-T}", "does not sign the timestamp"),
        (OWN + "template: '{body.id}{body}'}", "{body.PATH} is for what comes in"),
        (OWN + "template: '{url}'}", "does not sign the body"),
        (OWN + "template: '{nothing}'}", "names something unknown"),
        (OWN + "id_header: X-Id}", "does not sign the id"),
        (OWN + "id_header: X-Sig, template: '{header.X-Sig}{body}'}", "three different headers"),
        (OWN + "template: '{header.X-GitHub-Event}{body}'}", "not in every request"),
        (OWN + "template: '{header.X-Dispatch-Event-Type}{body}'}", "not in every request"),
        (OWN + "path: a.b}", "path"),
        (OWN + 'prefix: "a\\nb"}', "prefix"),
        (OWN + "tolerance: 5m}", "tolerance"),
        (
            "signing_secret: s3cr3t, signing: hub, headers: {x-hub-signature-256: a}",
            "headers and the signing both write X-Hub-Signature-256",
        ),
        (
            "signing_secret: s3cr3t, signing: hub, forward_headers: [X-Hub-Signature-256]",
            "forward_headers and the signing both write X-Hub-Signature-256",
        ),
        ("forward_headers: [Content-Length]", "is never forwarded"),
        ("forward_headers: ['X Y']", "neither a header's name nor a glob"),
        ("forward_headers: ['']", "neither a header's name nor a glob"),
    ],
)
def test_what_cannot_work_is_said_and_no_secret_with_it(options: str, said: str) -> None:
    with pytest.raises(ConfigProblems) as caught:
        parse(f"destinations: {{crm: {{url: 'http://x/', {options}}}}}", environ={})
    told = "\n".join(map(str, caught.value.problems))
    assert said in told
    assert "s3cr3t" not in told
    assert "destinations.crm" in told


def test_a_secret_is_shown_nowhere() -> None:
    config = parse(
        f"destinations: {{crm: {{url: 'http://x/', signing_secret: [{WHSEC}, {WHSK}]}}}}",
        environ={},
    )
    [spec] = list(compile_plan(config).lanes.values())
    for shown in (repr(config), config.model_dump_json(), repr(spec)):
        assert WHSEC[6:] not in shown
        assert WHSK[5:] not in shown
