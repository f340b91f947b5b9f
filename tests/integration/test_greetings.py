"""Handshakes that the config describes, answers of one's own, methods, and slugs with segments."""

import base64
import hashlib
import hmac
from typing import Any

import pytest
from rig import SECRET, Daemon, Sink, StartDaemon

from dispatchd.store.base import EventQuery

VALIDATION = (
    b'[{"eventType":"Microsoft.EventGrid.SubscriptionValidationEvent",'
    b'"data":{"validationCode":"512d38b6"}}]'
)


async def ask(
    daemon: Daemon, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, str, Any]:
    async with daemon.http.request(
        method, f"{daemon.url}/hooks/{path}", data=body, headers=headers
    ) as response:
        return response.status, await response.text(), response.headers


async def endpoint(start_daemon: StartDaemon, keys: str) -> Daemon:
    return await start_daemon(f"endpoints: {{a: {{secret: {SECRET}, {keys}}}}}")


async def stored(daemon: Daemon) -> int:
    return len(await daemon.store.find_events(EventQuery()))


async def test_a_query_is_echoed_as_text(start_daemon: StartDaemon) -> None:
    daemon = await endpoint(start_daemon, "handshake: {query: challenge}")
    status, text, headers = await ask(daemon, "GET", "a?challenge=a.b-c")
    assert (status, text, headers["Content-Type"]) == (200, "a.b-c", "text/plain; charset=utf-8")
    assert headers["X-Content-Type-Options"] == "nosniff"
    for bad in ("", "?challenge=", "?challenge=%3Cb%3E", "?challenge=a&challenge=b"):
        assert (await ask(daemon, "GET", f"a{bad}"))[0] == 400
    assert (await ask(daemon, "GET", "a?challenge=" + "a" * 513))[0] == 400
    assert (await ask(daemon, "DELETE", "a"))[2]["Allow"] == "GET, POST"
    assert await stored(daemon) == 0


async def test_a_query_is_signed(start_daemon: StartDaemon) -> None:
    daemon = await endpoint(
        start_daemon,
        "handshake: {query: crc, sign: base64, prefix: 'sha256=', answer_field: token}",
    )
    digest = hmac.digest(SECRET.encode(), b"123", "sha256")
    status, text, _ = await ask(daemon, "GET", "a?crc=123")
    assert (status, text) == (200, f'{{"token":"sha256={base64.b64encode(digest).decode()}"}}')
    # What it gives away must not buy an event: 123 is JSON, and this is its signature.
    signature = {"X-Hub-Signature-256": f"sha256={digest.hex()}"}
    assert (await ask(daemon, "POST", "a", b"123", **signature))[0] == 401


async def test_a_body_is_echoed_once_it_is_proven(start_daemon: StartDaemon) -> None:
    daemon = await endpoint(
        start_daemon,
        "handshake: {body: challenge, when: {body.type: verify}, answer_field: challenge}",
    )
    body = b'{"type":"verify","challenge":"abc"}'
    assert (await daemon.post(body, slug="a", secret=None))[0] == 401
    status, document, _ = await daemon.post(body, slug="a")
    assert (status, document) == (200, {"challenge": "abc"})
    assert await stored(daemon) == 0
    await daemon.accepted(b'{"type":"other","challenge":"abc"}', slug="a")


async def test_an_unsigned_challenge_is_answered_where_the_config_says_so(
    start_daemon: StartDaemon,
) -> None:
    daemon = await endpoint(start_daemon, "handshake: {body: challenge, unsigned: true}")
    assert (await ask(daemon, "POST", "a", b'{"challenge":"abc"}'))[:2] == (200, "abc")
    assert (await ask(daemon, "POST", "a", b'{"other":"abc"}'))[0] == 401
    assert (await ask(daemon, "POST", "a", b"no JSON"))[0] == 401
    wrong = {"X-Hub-Signature-256": "sha256=" + "0" * 64}
    assert (await ask(daemon, "POST", "a", b'{"challenge":"abc"}', **wrong))[0] == 401
    assert await stored(daemon) == 0


async def test_a_header_is_sent_back(start_daemon: StartDaemon) -> None:
    daemon = await endpoint(
        start_daemon, "handshake: {header: X-Hook-Secret, answer_header: X-Hook-Secret}"
    )
    for method in ("GET", "POST"):
        status, text, headers = await ask(daemon, method, "a", **{"X-Hook-Secret": "b537"})
        assert (status, text, headers["X-Hook-Secret"]) == (200, "", "b537")
    assert await stored(daemon) == 0


async def test_head_and_cloudevents(start_daemon: StartDaemon) -> None:
    daemon = await endpoint(start_daemon, "handshake: [head, cloudevents]")
    assert (await ask(daemon, "HEAD", "a"))[0] == 200
    origin = {"WebHook-Request-Origin": "eventemitter.example.com"}
    status, _, headers = await ask(daemon, "OPTIONS", "a", **origin)
    assert (status, headers["WebHook-Allowed-Origin"]) == (200, "eventemitter.example.com")
    assert headers["WebHook-Allowed-Rate"] == "*"
    assert (await ask(daemon, "OPTIONS", "a"))[0] == 400
    assert (await ask(daemon, "GET", "a"))[2]["Allow"] == "HEAD, OPTIONS, POST"


async def test_a_token_that_a_sender_brings_is_shown_once(start_daemon: StartDaemon) -> None:
    daemon = await start_daemon("endpoints: {a: {provider: notion, secret: later}}")
    body = b'{"verification_token":"secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl"}'
    for _ in range(2):
        assert (await ask(daemon, "POST", "a", body))[0] == 200
    (line,) = daemon.log.of("handshake_token")
    assert line["token"].startswith("secret_tMrl")
    assert await stored(daemon) == 0
    assert (await ask(daemon, "POST", "a", b'{"type":"page.created"}'))[0] == 401


@pytest.mark.parametrize(
    ("provider", "method", "path", "body", "headers", "answer"),
    [
        ("dropbox", "GET", "a?challenge=xyz", b"", {}, "xyz"),
        ("trello, url: 'https://h.example/a'", "HEAD", "a", b"", {}, ""),
        (
            "okta", "GET", "a", b"", {"X-Okta-Verification-Challenge": "u-5"},
            '{"verification":"u-5"}',
        ),
        ("woocommerce", "POST", "a", b"webhook_id=7",
         {"Content-Type": "application/x-www-form-urlencoded"}, ""),
        ("azure-event-grid", "OPTIONS", "a", b"", {"WebHook-Request-Origin": "h.example"}, ""),
        (
            "azure-event-grid", "POST", f"a?token={SECRET}",
            VALIDATION, {}, '{"validationResponse":"512d38b6"}',
        ),
    ],
)  # fmt: skip
async def test_a_providers_own(  # noqa: PLR0917 - a table
    start_daemon: StartDaemon,
    provider: str,
    method: str,
    path: str,
    body: bytes,
    headers: dict[str, str],
    answer: str,
) -> None:
    daemon = await endpoint(start_daemon, f"provider: {provider}")
    assert (await ask(daemon, method, path, body, **headers))[:2] == (200, answer)
    assert await stored(daemon) == 0


async def test_twitchs_challenge_is_signed(start_daemon: StartDaemon) -> None:
    daemon = await endpoint(start_daemon, "provider: twitch, tolerance: 3650d")
    body, stamp = b'{"challenge":"pogchamp"}', "2026-01-31T12:00:00.123456789Z"
    mac = hmac.new(SECRET.encode(), b"id-1" + stamp.encode() + body, hashlib.sha256).hexdigest()
    headers = {
        "Twitch-Eventsub-Message-Id": "id-1",
        "Twitch-Eventsub-Message-Timestamp": stamp,
        "Twitch-Eventsub-Message-Type": "webhook_callback_verification",
        "Twitch-Eventsub-Message-Signature": f"sha256={mac}",
    }
    assert (await ask(daemon, "POST", "a", body, **headers))[:2] == (200, "pogchamp")
    headers["Twitch-Eventsub-Message-Signature"] = "sha256=" + "0" * 64
    assert (await ask(daemon, "POST", "a", body, **headers))[0] == 401


async def test_an_answer_of_ones_own_has_the_id_in_a_header(start_daemon: StartDaemon) -> None:
    daemon = await start_daemon(f"""
    header_prefix: acme
    endpoints:
      a:
        secret: {SECRET}
        answer: {{status: 200, body: "[accepted]"}}
        delivery_id_header: X-Delivery
        idempotency: {{on_duplicate: accept}}
    """)
    sent = {"X-Hub-Signature-256": signed(b"{}"), "X-Delivery": "1"}
    ids = set()
    for _ in range(2):
        status, text, headers = await ask(daemon, "POST", "a", b"{}", **sent)
        assert (status, text) == (200, "[accepted]")
        ids.add(headers["X-Acme-Event-ID"])
    (event,) = await daemon.store.find_events(EventQuery())
    assert ids == {event.id}


async def test_put_where_the_config_says_so(start_daemon: StartDaemon) -> None:
    daemon = await endpoint(start_daemon, "methods: [POST, PUT]")
    signature = {"X-Hub-Signature-256": signed(b"{}")}
    assert (await ask(daemon, "PUT", "a", b"{}", **signature))[0] == 202
    assert (await ask(daemon, "PATCH", "a", b"{}", **signature))[2]["Allow"] == "POST, PUT"


async def test_a_slug_with_segments(start_daemon: StartDaemon, sink: Sink) -> None:
    daemon = await start_daemon(f"""
    endpoints: {{ci/deploy: {{secret: {SECRET}, destinations: [crm]}}}}
    destinations: {{crm: {{url: '{sink.url}'}}}}
    """)
    await daemon.accepted(b"{}", slug="ci/deploy")
    await sink.wait_for(1)
    assert sink.received[0][0]["X-Dispatch-Endpoint"] == "ci/deploy"
    for other in ("ci", "ci/", "ci/deploy/", "ci//deploy", "deploy"):
        assert (await ask(daemon, "POST", other, b"{}"))[0] == 404
    import yarl  # noqa: PLC0415 - only here

    url = yarl.URL(f"{daemon.url}/hooks/ci%2Fdeploy", encoded=True)
    async with daemon.http.post(url, data=b"{}") as response:
        assert response.status == 404


async def test_a_header_of_ones_own_names_the_type(start_daemon: StartDaemon) -> None:
    daemon = await endpoint(start_daemon, "event_type_header: X-Kind, event_type_path: action")
    sent = {"X-Hub-Signature-256": signed(b'{"action":"b"}'), "X-Kind": "a", "X-GitHub-Event": "c"}
    assert (await ask(daemon, "POST", "a", b'{"action":"b"}', **sent))[0] == 202
    (event,) = await daemon.store.find_events(EventQuery())
    assert event.event_type == "a"


def signed(body: bytes) -> str:
    return "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
