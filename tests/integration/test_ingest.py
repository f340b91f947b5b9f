"""Ingest over real HTTP: the contract's answers, and what is kept."""

import asyncio
import json
import random
from typing import Any

import pytest
from rig import SECRET, Daemon, Sink, StartDaemon, signature, simple_config

from dispatchd.verify import hash_api_key

API_KEY = "dsp_" + "k" * 43
BODY = b'{"action":"opened","issue":{"title":"Bug report"}}'

CONFIG = f"""
api_keys:
  - {{name: ci, hash: "{hash_api_key(API_KEY)}"}}
endpoints:
  my-slug: {{secret: [first-secret, {SECRET}], event_type_path: action}}
  keyed: {{event_type_path: data.kind}}
  open: {{auth: none}}
  off: {{secret: {SECRET}, active: false}}
"""


@pytest.fixture
async def daemon(start_daemon: StartDaemon) -> Daemon:
    return await start_daemon(CONFIG)


@pytest.mark.parametrize("header", ["X-Hub-Signature-256", "X-Dispatch-Signature"])
@pytest.mark.parametrize("secret", ["first-secret", SECRET])
async def test_every_live_secret_is_accepted_in_either_header(
    daemon: Daemon, header: str, secret: str
) -> None:
    status, document, _ = await daemon.post(
        BODY, secret=None, headers={header: signature(BODY, secret)}
    )
    assert status == 202
    story = await daemon.story(document["event_id"])
    assert story.event.body == BODY
    assert story.event.event_type == "opened"
    assert list(document) == ["event_id"]


async def test_hex_in_either_case(daemon: Daemon) -> None:
    value = "sha256=" + signature(BODY)[7:].upper()
    status, _, _ = await daemon.post(BODY, secret=None, headers={"X-Dispatch-Signature": value})
    assert status == 202


async def test_api_key(daemon: Daemon) -> None:
    headers = {"Authorization": f"Bearer {API_KEY}"}
    status, document, _ = await daemon.post(
        b'{"data":{"kind":"x.y"}}', slug="keyed", secret=None, headers=headers
    )
    assert status == 202
    story = await daemon.story(document["event_id"])
    assert story.event.event_type == "x.y"
    assert API_KEY not in repr(story)


async def test_a_wrong_signature_beside_a_right_key_is_a_401(daemon: Daemon) -> None:
    headers = {"Authorization": f"Bearer {API_KEY}", "X-Dispatch-Signature": "sha256=" + "0" * 64}
    status, document, _ = await daemon.post(BODY, secret=None, headers=headers)
    assert (status, document["error"]["code"]) == (401, "invalid_signature")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Dispatch-Signature": ""},
        {"X-Dispatch-Signature": "sha256="},
        {"X-Dispatch-Signature": "sha1=" + "0" * 40},
        {"X-Dispatch-Signature": "sha256=" + "é" * 64},
        {"X-Hub-Signature-256": signature(BODY, "another")},
        {"Authorization": "Bearer dsp_wrong"},
        {"Authorization": "Basic " + API_KEY},
        {"Authorization": API_KEY},
        {"X-Hub-Signature-256": signature(BODY), "X-Dispatch-Signature": "sha256=" + "0" * 64},
    ],
)
async def test_what_proves_nothing_is_a_401(daemon: Daemon, headers: dict[str, str]) -> None:
    status, document, _ = await daemon.post(BODY, secret=None, headers=headers)
    assert status == 401
    assert set(document["error"]) == {"code", "message"}


async def test_auth_none_takes_anyone(daemon: Daemon) -> None:
    assert await daemon.accepted(b"[]", slug="open", secret=None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{}x",
        b"\xff",
        b'"\xff"',
        b"NaN",
        b"[Infinity]",
        b"{'a':1}",
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
    ],
)
async def test_what_is_not_json_is_a_400(daemon: Daemon, body: bytes) -> None:
    status, document, _ = await daemon.post(body)
    assert (status, document["error"]["code"]) == (400, "invalid_json")


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"1",
        b'"x"',
        b'{"a":1e999}',
        b'{"a":123456789012345678901234567890}',
        b'{"a":1,"a":2}',
        b' \n{"b" : "\\u00e9"}\t',
        '{"action":"é"}'.encode(),
        b'{"action":"\\ud800"}',
        b'{"\\u0000":"\\u0000","action":"a\\u0000b"}',
    ],
)
async def test_any_json_document_is_kept_byte_for_byte(daemon: Daemon, body: bytes) -> None:
    story = await daemon.story(await daemon.accepted(body))
    assert story.event.body == body


async def test_unknown_inactive_and_strange_paths_are_404(daemon: Daemon) -> None:
    for slug in ("nope", "off", "my-slug/", "my-slug/x", "", "%00", "..%2f", "%ff"):
        status, document, _ = await daemon.post(BODY, slug=slug)
        assert (status, set(document)) == (404, {"error"}), slug
    async with daemon.http.post(f"{daemon.url}/elsewhere") as response:
        assert response.status == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
async def test_other_methods_are_405_with_allow(daemon: Daemon, method: str) -> None:
    async with daemon.http.request(method, f"{daemon.url}/hooks/my-slug") as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")


async def test_too_large_declared_and_streamed(start_daemon: StartDaemon) -> None:
    daemon = await start_daemon(
        "server: {listen: '127.0.0.1:0', max_body: 1KiB}\nendpoints: {my-slug: {auth: none}}\n"
    )
    fits, over = b'"' + b"x" * 1022 + b'"', b'"' + b"x" * 1023 + b'"'

    async def chunks(body: bytes) -> Any:
        for start in range(0, len(body), 100):
            yield body[start : start + 100]

    assert (await daemon.post(fits))[0] == 202
    status, document, _ = await daemon.post(over)
    assert (status, document["error"]["code"]) == (413, "too_large")
    url = f"{daemon.url}/hooks/my-slug"
    async with daemon.http.post(url, data=chunks(fits)) as response:
        assert response.status == 202
    async with daemon.http.post(url, data=chunks(over)) as response:
        assert response.status == 413


async def test_ten_mebibytes_by_default(daemon: Daemon) -> None:
    body = b'"' + b"x" * (10 * 1024 * 1024 - 2) + b'"'
    assert (await daemon.post(body))[0] == 202
    assert (await daemon.post(body + b" "))[0] == 413


async def test_expect_100_continue(daemon: Daemon) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", daemon.app.port)
    head = (
        f"POST /hooks/my-slug HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n"
        f"X-Dispatch-Signature: {signature(BODY)}\r\nExpect: 100-continue\r\n\r\n"
    )
    writer.write(head.encode())
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(BODY)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 202 ")
    writer.close()
    await writer.wait_closed()


async def test_event_type_headers_come_before_the_path(daemon: Daemon) -> None:
    for name in ("X-GitHub-Event", "X-Gitlab-Event", "X-Event-Type"):
        story = await daemon.story(await daemon.accepted(BODY, headers={name: "from header"}))
        assert story.event.event_type == "from header"


@pytest.mark.parametrize("body", [b"{}", b'{"action":{}}', b'{"action":[1]}', b"[]", b'"x"'])
async def test_a_path_that_leads_nowhere_is_no_error(daemon: Daemon, body: bytes) -> None:
    story = await daemon.story(await daemon.accepted(body))
    assert story.event.event_type is None


async def test_what_authenticates_is_never_stored_or_logged(daemon: Daemon) -> None:
    secrets = {
        "Authorization": f"Bearer {API_KEY}",
        "Cookie": "session=c00kie",
        "X-Gitlab-Token": "t0ken-value",
        "X-Hub-Signature-256": signature(BODY),
        "X-Api-Key": "k3y-value",
        "X-Shopify-Hmac-SHA256": "hm4c-value",
        "Proxy-Authorization": "pr0xy-value",
    }
    event_id = await daemon.accepted(BODY, headers={**secrets, "X-Kept": "kept-value"})
    story = await daemon.story(event_id)
    seen = repr(story) + repr(daemon.log.lines)
    assert "kept-value" in seen
    for value in (*secrets.values(), signature(BODY)[7:]):
        assert value not in seen


async def test_an_event_nobody_wants_is_stored_as_filtered(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    daemon = await start_daemon(simple_config(sink, ", event_types: [closed]"))
    story = await daemon.story(await daemon.accepted(BODY))
    assert (story.event.status, story.event.filtered_by) == ("filtered", "crm: event_types")
    assert story.deliveries == []
    closed = await daemon.story(await daemon.accepted(b'{"action":"closed"}'))
    assert closed.event.status == "received"
    await sink.wait_for(1)
    assert sink.event_ids() == [closed.event.id]


async def test_trusted_proxies_name_the_source(start_daemon: StartDaemon) -> None:
    daemon = await start_daemon(
        "server: {listen: '127.0.0.1:0', trusted_proxies: [127.0.0.1, 10.0.0.0/8]}\n"
        "endpoints: {my-slug: {auth: none}}\n"
    )
    event_id = await daemon.accepted(
        BODY, headers={"X-Forwarded-For": "6.6.6.6, 203.0.113.9, 10.1.1.1"}
    )
    assert (await daemon.story(event_id)).event.source_ip == "203.0.113.9"


async def test_an_untrusted_peer_names_nobody(daemon: Daemon) -> None:
    event_id = await daemon.accepted(BODY, headers={"X-Forwarded-For": "6.6.6.6"})
    assert (await daemon.story(event_id)).event.source_ip == "127.0.0.1"


async def test_healthz_says_only_ok(daemon: Daemon) -> None:
    async with daemon.http.get(f"{daemon.url}/healthz") as response:
        assert (response.status, await response.json()) == (200, {"status": "ok"})


async def test_one_wide_line_per_event(daemon: Daemon) -> None:
    event_id = await daemon.accepted(BODY)
    (line,) = daemon.log.of("event")
    assert line.pop("latency_ms") > 0
    assert line == {
        "event": "event",
        "level": "info",
        "status": 202,
        "endpoint": "my-slug",
        "source_ip": "127.0.0.1",
        "body_bytes": len(BODY),
        "auth": "dispatch[1]",
        "event_id": event_id,
        "event_type": "opened",
        "destinations": 0,
    }


async def test_ten_thousand_mutated_requests_bring_no_5xx(daemon: Daemon) -> None:
    """Bytes flipped, cut, doubled and swapped in a valid request: 4xx or 2xx, and it lives."""
    rng = random.Random(20261123)
    statuses: dict[str, int] = {}
    open_at_once = asyncio.Semaphore(200)

    async def one() -> None:
        async with open_at_once:
            await ask()

    async def ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", daemon.app.port)
        answer = b""
        try:
            writer.write(mutated(rng))
            async with asyncio.timeout(1):  # many ask for more than they send
                answer = await reader.read(65536)
        except (ConnectionError, TimeoutError):
            pass
        finally:
            writer.close()
        if answer:
            status = answer[9:12].decode("latin-1")
            statuses[status] = statuses.get(status, 0) + 1

    await asyncio.gather(*(one() for _ in range(10_000)))
    assert sum(statuses.values()) > 7_000
    assert {s for s in statuses if not s.startswith(("2", "4"))} == set(), statuses
    assert daemon.log.of("internal_error") == []
    assert await daemon.accepted(BODY)


def mutated(rng: random.Random) -> bytes:
    """Return a valid request with up to four pieces flipped, cut, doubled or put in."""
    data = bytearray(
        b"POST /hooks/my-slug HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"X-Dispatch-Signature: " + signature(BODY).encode() + b"\r\n"
        b"X-GitHub-Event: issues\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
    )
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data))
        match rng.randrange(5):
            case 0:
                data[at] = rng.randrange(256)
            case 1:
                del data[at : at + rng.randint(1, 20)]
            case 2:
                data[at:at] = data[at : at + rng.randint(1, 30)]
            case 3:
                data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 8)))
            case _:
                data[at : at + 1] = rng.choice([b"\r\n", b"\0", b"\xff", b"%", b": ", b"\xc3\xa9"])
    return bytes(data)


async def test_the_answer_names_a_uuid(daemon: Daemon) -> None:
    event_id = await daemon.accepted(BODY)
    parts = event_id.split("-")
    assert [len(p) for p in parts] == [8, 4, 4, 4, 12]
    assert parts[2][0] == "7"
    assert json.dumps(event_id)


async def test_a_long_event_type_is_cut_and_that_is_said(daemon: Daemon) -> None:
    """It was dropped without a word, and with it every delivery that named event types."""
    long = "x" * 300
    event_id = await daemon.accepted(json.dumps({"action": long}).encode())
    assert (await daemon.story(event_id)).event.event_type == long[:255]
    (line,) = daemon.log.of("event", event_id=event_id)
    assert line["notes"] == ["the event type is over 255 characters, and was cut"]
    event_id = await daemon.accepted(BODY, headers={"X-GitHub-Event": long})
    assert (await daemon.story(event_id)).event.event_type == long[:255]
