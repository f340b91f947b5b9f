"""Senders by name over real HTTP: handshakes, event types, duplicates, bodies of other kinds."""

import asyncio
import base64
import gzip
import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from rig import Daemon, FakeClock, Sink, StartDaemon

from dispatchd.config import ConfigProblems, parse
from dispatchd.store.base import EventQuery

SECRET = "shared-secret"
GITHUB = f"endpoints: {{my-slug: {{provider: github, secret: {SECRET}}}}}"


def hexmac(message: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def github(body: bytes, **headers: str) -> dict[str, str]:
    return {"X-Hub-Signature-256": f"sha256={hexmac(body)}", **headers}


async def get(daemon: Daemon, query: str) -> tuple[int, bytes, Any]:
    async with daemon.http.get(f"{daemon.url}/hooks/my-slug?{query}") as response:
        return response.status, await response.read(), response.headers


async def test_a_redelivery_is_a_202_with_the_first_id(start_daemon: StartDaemon) -> None:
    """A sender that counts only a 2xx would send it again for ever."""
    daemon = await start_daemon(GITHUB)
    headers = github(b"{}", **{"X-GitHub-Delivery": "72d3162e", "X-GitHub-Event": "issues"})
    first = await daemon.accepted(b"{}", secret=None, headers=headers)
    assert await daemon.accepted(b"{}", secret=None, headers=headers) == first
    assert len(await daemon.store.find_events(EventQuery())) == 1
    assert daemon.log.of("event", duplicate=True, event_id=first)


async def test_a_redelivery_is_a_409_where_the_config_says_so(start_daemon: StartDaemon) -> None:
    daemon = await start_daemon(
        GITHUB.replace("provider: github", "provider: github, idempotency: {on_duplicate: reject}")
    )
    body = b'{"action":"opened"}'
    headers = github(
        body, **{"X-GitHub-Delivery": "72d3162e-cc78-11e3", "X-GitHub-Event": "issues"}
    )
    first = await daemon.accepted(body, secret=None, headers=headers)
    status, document, _ = await daemon.post(body, secret=None, headers=headers)
    assert (status, document["error"]["code"]) == (409, "duplicate")
    assert document["event_id"] == first
    other = {**headers, "X-GitHub-Delivery": "another"}
    assert await daemon.accepted(body, secret=None, headers=other) != first
    assert (await daemon.story(first)).event.auth == "github[0]"
    assert len(await daemon.store.find_events(EventQuery())) == 2


async def test_64_copies_at_once_are_one_event(start_daemon: StartDaemon, sink: Sink) -> None:
    daemon = await start_daemon(f"""
    endpoints:
      my-slug: {{auth: none, idempotency: {{body: id, on_duplicate: accept}}, destinations: [crm]}}
    destinations: {{crm: {{url: '{sink.url}'}}}}
    """)
    for n in range(5):
        body = b'{"id":%d}' % n
        ids = await asyncio.gather(*(daemon.accepted(body, secret=None) for _ in range(64)))
        assert len(set(ids)) == 1
    await daemon.log.wait_for("attempt", count=5)
    assert len(await daemon.store.find_events(EventQuery(limit=400))) == 5
    assert len(sink.received) == 5


async def test_integers_beyond_64_bits_are_told_apart(start_daemon: StartDaemon) -> None:
    """As floats they are the same, and the second was lost as a duplicate of the first."""
    daemon = await start_daemon("endpoints: {my-slug: {auth: none, idempotency: {body: a.id}}}")
    bodies = [b'{"a":{"id":12345678901234567890%d}}' % n for n in range(3)]
    ids = {await daemon.accepted(body, secret=None) for body in bodies}
    assert len(ids) == 3
    for body in bodies:
        status, _, _ = await daemon.post(body, secret=None)
        assert status == 409


async def test_a_compressed_body_goes_on_as_it_is(start_daemon: StartDaemon, sink: Sink) -> None:
    daemon = await start_daemon(f"""
    endpoints:
      my-slug: {{auth: none, body: any, destinations: [crm]}}
      strict: {{auth: none}}
    destinations: {{crm: {{url: '{sink.url}'}}}}
    """)
    body = gzip.compress(b'{"a":1}')
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    await daemon.accepted(body, secret=None, headers=headers)
    await sink.wait_for(1)
    got, sent = sink.received[0]
    assert got["Content-Encoding"] == "gzip"
    assert sent == b'{"a":1}'  # as the destination's own server unpacks it
    status, document, _ = await daemon.post(body, slug="strict", secret=None, headers=headers)
    assert status == 400
    assert "compressed" in document["error"]["message"]


@pytest.mark.parametrize("header", ["Idempotency-Key", "webhook-id"])
async def test_common_keys_count_by_default_and_can_be_turned_off(
    start_daemon: StartDaemon, header: str
) -> None:
    daemon = await start_daemon(
        "endpoints: {my-slug: {auth: none}, off: {auth: none, idempotency: false}}"
    )
    await daemon.accepted(b"{}", secret=None, headers={header: "k1"})
    status, _, _ = await daemon.post(b"{}", secret=None, headers={header: "k1"})
    assert status == 409
    for _ in range(2):
        await daemon.accepted(b"{}", slug="off", secret=None, headers={header: "k1"})
    await daemon.accepted(b"{}", secret=None)
    await daemon.accepted(b"{}", secret=None)  # no key, no duplicate


async def test_a_key_is_forgotten_after_its_window_and_is_its_endpoints_own(
    start_daemon: StartDaemon,
) -> None:
    clock = FakeClock()
    daemon = await start_daemon(
        "endpoints: {my-slug: {auth: none, idempotency: {header: X-Id, window: 10m}},"
        " other: {auth: none, idempotency: {header: X-Id}}}",
        clock=clock,
    )
    headers = {"X-Id": "é" * 300}
    first = await daemon.accepted(b"{}", secret=None, headers=headers)
    await daemon.accepted(b"{}", slug="other", secret=None, headers=headers)
    clock.advance(599)
    assert (await daemon.post(b"{}", secret=None, headers=headers))[0] == 409
    clock.advance(2)
    assert await daemon.accepted(b"{}", secret=None, headers=headers) != first
    assert (await daemon.post(b"{}", secret=None, headers=headers))[0] == 409


async def test_duplicates_are_known_after_a_restart(start_daemon: StartDaemon) -> None:
    daemon = await start_daemon("endpoints: {my-slug: {auth: none}}")
    first = await daemon.accepted(b"{}", secret=None, headers={"Idempotency-Key": "k"})
    await start_daemon.stop(daemon)  # type: ignore[attr-defined]
    daemon = await start_daemon("endpoints: {my-slug: {auth: none}}")
    _, document, _ = await daemon.post(b"{}", secret=None, headers={"Idempotency-Key": "k"})
    assert document["event_id"] == first


async def test_slack_url_verification_is_verified_first(start_daemon: StartDaemon) -> None:
    daemon = await start_daemon(f"endpoints: {{my-slug: {{provider: slack, secret: {SECRET}}}}}")
    body = b'{"type":"url_verification","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY"}'
    stamp = str(int(time.time()))
    signed = f"v0={hexmac(f'v0:{stamp}:'.encode() + body)}"
    url = f"{daemon.url}/hooks/my-slug"
    headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signed}
    async with daemon.http.post(url, data=body, headers=headers) as response:
        assert response.status == 200
        assert await response.text() == "3eZbrw1aBm2rZgRNFdxV2595E9CY"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Content-Type"].startswith("text/plain")
    headers["X-Slack-Signature"] = "v0=" + "0" * 64
    async with daemon.http.post(url, data=body, headers=headers) as response:
        assert response.status == 401
    assert await daemon.store.find_events(EventQuery()) == []


async def test_slack_commands_come_as_forms(start_daemon: StartDaemon, sink: Sink) -> None:
    daemon = await start_daemon(f"""
    endpoints:
      my-slug: {{provider: slack, secret: {SECRET}, event_type_path: command, destinations: [crm]}}
    destinations: {{crm: {{url: '{sink.url}'}}}}
    """)
    body = urlencode({"command": "/weather", "text": "94070"}).encode()
    stamp = str(int(time.time()))
    headers = {
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": f"v0={hexmac(f'v0:{stamp}:'.encode() + body)}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    event_id = await daemon.accepted(body, secret=None, headers=headers)
    await sink.wait_for(1)
    assert sink.received[0][1] == body
    assert sink.received[0][0]["Content-Type"] == "application/x-www-form-urlencoded"
    assert (await daemon.story(event_id)).event.event_type == "/weather"


async def test_zoom_url_validation(start_daemon: StartDaemon) -> None:
    daemon = await start_daemon(f"endpoints: {{my-slug: {{provider: zoom, secret: {SECRET}}}}}")
    body = b'{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}'
    stamp = str(int(time.time()))
    headers = {
        "x-zm-request-timestamp": stamp,
        "x-zm-signature": f"v0={hexmac(f'v0:{stamp}:'.encode() + body)}",
    }
    status, document, _ = await daemon.post(body, secret=None, headers=headers)
    assert status == 200
    assert document == {
        "plainToken": "qgg8vlvZRS6UYooatFL8Aw",
        "encryptedToken": hexmac(b"qgg8vlvZRS6UYooatFL8Aw"),
    }


async def test_meta_and_x_ask_by_get(start_daemon: StartDaemon) -> None:
    daemon = await start_daemon(
        f"endpoints: {{my-slug: {{provider: meta, secret: {SECRET}, verify_token: tok3n}}}}"
    )
    ask = "hub.mode=subscribe&hub.verify_token=tok3n&hub.challenge="
    status, text, headers = await get(daemon, ask + "1158201444")
    assert (status, text) == (200, b"1158201444")
    assert headers["Content-Type"].startswith("text/plain")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert (await get(daemon, ask.replace("tok3n", "wrong") + "1"))[0] == 403
    for evil in ("<script>alert(1)</script>", "a b", "x" * 600, ""):
        status, text, _ = await get(daemon, ask + quote(evil))
        assert status == 400
        assert b"<" not in text
    await start_daemon.stop(daemon)  # type: ignore[attr-defined]

    daemon = await start_daemon(f"endpoints: {{my-slug: {{provider: x, secret: {SECRET}}}}}")
    status, text, _ = await get(daemon, "crc_token=9b4507b3-9040-4669")
    signed = hmac.new(SECRET.encode(), b"9b4507b3-9040-4669", hashlib.sha256).digest()
    assert status == 200
    assert json.loads(text) == {"response_token": "sha256=" + base64.b64encode(signed).decode()}
    async with daemon.http.put(f"{daemon.url}/hooks/my-slug") as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET, POST")


async def test_github_forms_carry_json_in_payload(start_daemon: StartDaemon) -> None:
    daemon = await start_daemon(
        f"endpoints: {{my-slug: {{provider: github, secret: {SECRET}, event_type_path: action}}}}"
    )
    body = urlencode({"payload": '{"action":"opened"}'}).encode()
    headers = github(body, **{"Content-Type": "application/x-www-form-urlencoded"})
    event_id = await daemon.accepted(body, secret=None, headers=headers)
    assert (await daemon.story(event_id)).event.event_type == "opened"


async def test_body_any_is_forwarded_as_it_came(start_daemon: StartDaemon, sink: Sink) -> None:
    daemon = await start_daemon(f"""
    endpoints: {{my-slug: {{auth: none, body: any, destinations: [crm]}}}}
    destinations: {{crm: {{url: '{sink.url}'}}}}
    """)
    sent = [
        (b"\x00\xff\xfe raw", "image/png"),
        (b"", "text/plain"),
        (b"<a>\xe9</a>", "application/xml; charset=latin-1"),
        (b'{"a":1}', "application/json; charset=utf-8"),
    ]
    for body, content_type in sent:
        await daemon.accepted(body, secret=None, headers={"Content-Type": content_type})
    await daemon.log.wait_for("attempt", count=4, result="success")
    arrived = {(body, headers["Content-Type"]) for headers, body in sink.received}
    assert arrived == set(sent)


async def test_body_form_takes_forms_and_json_only(start_daemon: StartDaemon) -> None:
    daemon = await start_daemon(
        "endpoints: {my-slug: {auth: none, body: form, event_type_path: kind}}"
    )
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    event_id = await daemon.accepted(b"kind=a%20b&kind2=c", secret=None, headers=form)
    assert (await daemon.story(event_id)).event.event_type == "a b"
    await daemon.accepted(b"{}", secret=None)
    status, _, _ = await daemon.post(b"<xml/>", secret=None, headers={"Content-Type": "text/xml"})
    assert status == 400


async def test_a_scheme_of_ones_own(start_daemon: StartDaemon) -> None:
    daemon = await start_daemon("""
    endpoints:
      my-slug:
        secret: home-made
        signature:
          header: X-Pi-Sig
          algorithm: sha512
          encoding: base64
          prefix: "v1:"
          timestamp_header: X-Pi-Time
          template: "{timestamp}.{body}"
          tolerance: 1m
    """)
    body, stamp = b'{"t":21.5}', str(int(time.time()))
    mac = hmac.new(b"home-made", f"{stamp}.".encode() + body, hashlib.sha512).digest()
    headers = {"X-Pi-Sig": "v1:" + base64.b64encode(mac).decode(), "X-Pi-Time": stamp}
    await daemon.accepted(body, secret=None, headers=headers)
    status, _, _ = await daemon.post(body + b" ", secret=None, headers=headers)
    assert status == 401
    old = {**headers, "X-Pi-Time": str(int(stamp) - 61)}
    assert (await daemon.post(body, secret=None, headers=old))[0] == 401


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("{provider: githbu, secret: s}", "unknown"),
        ("{provider: stripe, auth: none, secret: s}", "contradicts"),
        ("{provider: discord, secret: s}", "public_key"),
        ("{provider: meta, secret: s}", "verify_token"),
        ("{provider: square, secret: s}", "public URL"),
        ("{secret: s, signature: {header: X, template: '{nonsense}'}}", "something unknown"),
        ("{secret: s, signature: {header: X, algorithm: md5}}", "sha256"),
        ("{secret: s, idempotency: {header: A, body: b}}", "remove one"),
        ("{secret: s, body: xml}", "json"),
        ("{provider: standard-webhooks, secret: whsec_%%%}", "base64"),
    ],
)
def test_what_cannot_work_is_a_config_error(endpoint: str, said: str) -> None:
    with pytest.raises(ConfigProblems) as caught:
        parse(f"endpoints:\n  my-slug: {endpoint}\n", environ={})
    assert said in str(caught.value)
    assert "config.yaml:2" in str(caught.value)
