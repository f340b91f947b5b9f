"""What a hostile sender, or an odd one, once got away with; each was found by a reviewer."""

import base64
import hashlib
import hmac
import json
import sqlite3
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from rig import Daemon, Sink, StartDaemon

SECRET = "shared-secret"
WHSEC = "whsec_" + base64.b64encode(b"k" * 32).decode()
FORM = "application/x-www-form-urlencoded"


def mac(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def standard(prefix: str, body: bytes, msg_id: str) -> dict[str, str]:
    now = str(int(time.time()))
    signed = hmac.digest(b"k" * 32, f"{msg_id}.{now}.".encode() + body, "sha256")
    return {
        f"{prefix}-id": msg_id,
        f"{prefix}-timestamp": now,
        f"{prefix}-signature": f"v1,{base64.b64encode(signed).decode()}",
    }


REJECT = "idempotency: {on_duplicate: reject}"


async def status_of(daemon: Daemon, body: bytes, headers: dict[str, str]) -> int:
    status, _, _ = await daemon.post(body, secret=None, headers=headers)
    return status


async def test_a_deep_body_with_a_large_id_is_no_500(start_daemon: StartDaemon) -> None:
    daemon = await start_daemon("endpoints: {my-slug: {auth: none, idempotency: {body: id}}}")
    body = b'{"id":1e20,"x":' + b"[" * 1000 + b"]" * 1000 + b"}"
    for _ in range(2):  # no key can be read, so it is kept again
        assert await status_of(daemon, body, {}) == 202


async def test_a_large_id_in_a_forms_payload_is_no_500(start_daemon: StartDaemon) -> None:
    daemon = await start_daemon(
        "endpoints: {my-slug: {auth: none, body: form, idempotency: {body: id}}}"
    )
    body = b"payload=" + quote('{"id": 1e20}').encode()
    assert await status_of(daemon, body, {"Content-Type": FORM}) == 202


@pytest.mark.parametrize("padding", [0, 100_000])
async def test_a_deep_payload_in_a_form_before_a_jsonata_filter_is_no_500(
    start_daemon: StartDaemon, padding: int
) -> None:
    """JSON may be nested more deeply than it can be spelled again: it is passed on as it came."""
    daemon = await start_daemon("""
        endpoints:
          my-slug: {auth: none, body: form, filter: 'body.kind = "wanted"'}
        """)
    for kind, expected in (("wanted", "received"), ("other", "filtered")):
        deep = "[" * 300 + "]" * 300
        payload = f'{{"kind": "{kind}", "deep": {deep}, "n": "{"x" * padding}"}}'
        body = b"payload=" + quote(payload).encode()
        event_id = await daemon.accepted(body, secret=None, headers={"Content-Type": FORM})
        assert (await daemon.story(event_id)).event.status == expected
    assert not daemon.log.of("internal_error")


async def test_a_content_type_chooses_no_timestamp(start_daemon: StartDaemon) -> None:
    """Read as a form, an old webhook had a fresh timestamp inside one of its texts."""
    daemon = await start_daemon(f"endpoints: {{my-slug: {{provider: linear, secret: {SECRET}}}}}")
    now_ms = int(time.time() * 1000)
    fields = {"webhookTimestamp": 1_600_000_000_000, "t": f"&webhookTimestamp={now_ms}&"}
    body = json.dumps(fields).encode()
    for content_type in ("application/json", FORM):
        headers = {"Linear-Signature": mac(body), "Content-Type": content_type}
        assert await status_of(daemon, body, headers) == 401


async def test_an_unsigned_id_hides_no_signed_one(start_daemon: StartDaemon) -> None:
    daemon = await start_daemon(
        f"endpoints: {{my-slug: {{provider: svix, secret: {WHSEC}, {REJECT}}}}}"
    )
    headers = standard("svix", b"{}", "msg_1")
    assert await status_of(daemon, b"{}", headers) == 202
    assert await status_of(daemon, b"{}", headers | {"webhook-id": "other"}) == 409


async def test_an_unsigned_key_hides_no_signed_id(start_daemon: StartDaemon) -> None:
    daemon = await start_daemon(
        f"endpoints: {{my-slug: {{provider: gitlab, secret: {WHSEC}, {REJECT}}}}}"
    )
    headers = standard("webhook", b"{}", "msg_1")
    assert await status_of(daemon, b"{}", headers) == 202
    assert await status_of(daemon, b"{}", headers | {"Idempotency-Key": "other"}) == 409


async def test_an_expressions_error_quotes_no_payload(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    daemon = await start_daemon(f"""
    endpoints:
      my-slug:
        auth: none
        filter: '$number(body.password) > 1'
        destinations: [{{to: crm, transform: '$number(password)'}}]
    destinations: {{crm: {{url: '{sink.url}'}}}}
    """)
    assert await status_of(daemon, b'{"password":"hunter2"}', {}) == 202
    (line,) = await daemon.log.wait_for("attempt")
    assert line["transform"].startswith("failed, original sent: ")
    assert "failed" in daemon.log.of("event")[0]["notes"][0]
    assert "hunter2" not in repr(daemon.log.lines)


async def test_what_authenticates_is_stored_under_no_name(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    daemon = await start_daemon(f"""
    endpoints:
      my-slug:
        secret: {SECRET}
        signature: {{header: X-Acme-Digest}}
        idempotency: {{header: X-Acme-Token}}
    """)
    headers = {
        "X-Acme-Digest": mac(b"{}"),
        "X-Acme-Token": "a-token-that-names-it",
        "X-Access-Key": "an-access-key",
        "X-Event-Key": "repo:push",
    }
    assert await status_of(daemon, b"{}", headers) == 202
    assert await status_of(daemon, b"{}", headers) == 409
    with sqlite3.connect(tmp_path / "dispatchd.db") as connection:
        stored = "".join(connection.iterdump())
    connection.close()
    assert "repo:push" in stored
    for secret in (mac(b"{}"), "a-token-that-names-it", "an-access-key"):
        assert secret not in stored


async def test_header_names_have_no_case_in_a_jsonata_filter(start_daemon: StartDaemon) -> None:
    daemon = await start_daemon("""
    endpoints: {my-slug: {auth: none, filter: 'headers.`x-env` = "prod"'}}
    """)
    for name in ("X-Env", "x-env", "X-ENV"):
        event_id = await daemon.accepted(b"{}", secret=None, headers={name: "prod"})
        assert (await daemon.story(event_id)).event.status == "received"


async def test_a_signatures_paths_follow_lists(start_daemon: StartDaemon) -> None:
    daemon = await start_daemon(f"""
    endpoints:
      my-slug:
        secret: {SECRET}
        signature: {{header: X-S, template: "{{body.items.0.id}}.{{body}}"}}
    """)
    body = b'{"items":[{"id":"q"}]}'
    assert await status_of(daemon, body, {"X-S": mac(b"q." + body)}) == 202
