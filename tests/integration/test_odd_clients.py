"""What odd clients write, byte for byte: each gets an answer of the contract, none a 500."""

import asyncio
import random

import pytest
from patience import HANG_S
from rig import SECRET, Daemon, StartDaemon, signature

BODY = b'{"action":"opened"}'
SIGNED = f"X-Dispatch-Signature: {signature(BODY)}\r\nContent-Length: {len(BODY)}\r\n"
FORM = "multipart/form-data"

CONFIG = f"""
server: {{listen: '127.0.0.1:0', trusted_proxies: [127.0.0.1]}}
endpoints:
  my-slug: {{secret: {SECRET}, event_type_path: action}}
  a.b_c: {{secret: {SECRET}}}
  open: {{auth: none, body: any, filter: {{body.a: "*x*y?"}}, idempotency: {{body: id}}}}
  forms: {{auth: none, body: form}}
  gitlab: {{provider: gitlab, secret: {SECRET}}}
  jira: {{provider: jira, secret: {SECRET}, url: "https://example.com/hooks/jira"}}
  linear: {{provider: linear, secret: {SECRET}}}
  mailgun: {{provider: mailgun, secret: {SECRET}}}
  meta: {{provider: meta, secret: {SECRET}, verify_token: t}}
  slack: {{provider: slack, secret: {SECRET}}}
  stripe: {{provider: stripe, secret: {SECRET}}}
  svix: {{provider: svix, secret: whsec_{"a" * 32}}}
  twilio: {{provider: twilio, secret: {SECRET}, url: "https://example.com/hooks/twilio"}}
  x: {{provider: x, secret: {SECRET}}}
"""


@pytest.fixture
async def daemon(start_daemon: StartDaemon) -> Daemon:
    return await start_daemon(CONFIG)


async def exchange(daemon: Daemon, sent: bytes, *, end: bool = True) -> bytes:
    """Write bytes, close our side, and read until the server closes its own."""
    host, _, port = daemon.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(sent)
        if end:
            writer.write_eof()
        async with asyncio.timeout(HANG_S):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def statuses(raw: bytes) -> list[int]:
    return [int(part[:3]) for part in raw.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/hooks/my-slug", 202),
        ("/hooks/my-slug?a=b#c", 202),
        ("http://example.com/hooks/my-slug", 202),
        ("HTTP://u:p@example.com:80/hooks/my-slug", 202),
        ("/hooks/%6dy-slug", 202),
        ("/hooks/a%2Eb%5Fc", 202),
        ("/hooks/my%2Dslug", 202),
        ("//hooks/my-slug", 404),
        ("/hooks//my-slug", 404),
        ("/hooks/my-slug/", 404),
        ("/hooks/my-slug%00", 404),
        ("/hooks/%ff", 404),
        ("/hooks/%", 404),
        ("/hooks/%zz%", 404),
        ("/hooks/../hooks/my-slug", 404),
        ("/hooks/%2e%2e/x", 404),
        ("hooks/my-slug", 400),
        ("http://[::1/hooks/my-slug", 400),
        ("http://x:99999999/hooks/my-slug", 400),
        ("/hooks/" + "x" * 9000, 431),
    ],
)
async def test_odd_targets(daemon: Daemon, target: str, expected: int) -> None:
    head = f"POST {target} HTTP/1.1\r\nHost: x\r\n{SIGNED}Connection: close\r\n\r\n"
    raw = await exchange(daemon, head.encode() + BODY, end=False)
    if "999" in target:  # a port that is none: aiohttp's parser says so, or its request does
        assert statuses(raw) in ([400], [404])
    else:
        assert statuses(raw) == [expected], raw
    assert daemon.log.of("internal_error") == []


async def test_pipelined_requests_are_each_answered(daemon: Daemon) -> None:
    one = f"POST /hooks/my-slug HTTP/1.1\r\nHost: x\r\n{SIGNED}\r\n".encode() + BODY
    last = one.replace(b"Host: x", b"Host: x\r\nConnection: close")
    raw = await exchange(daemon, one * 4 + last, end=False)
    assert statuses(raw) == [202] * 5


@pytest.mark.parametrize("method", ["POST", "GET", "HEAD"])
async def test_http_1_0_gets_no_100_and_no_chunks(daemon: Daemon, method: str) -> None:
    plain = f"{method} /hooks/my-slug HTTP/1.0\r\n{SIGNED}Expect: 100-continue\r\n\r\n"
    kept = plain.replace("Expect", "Connection: keep-alive\r\nExpect")
    raw = await exchange(daemon, (kept.encode() + BODY) * 2 + plain.encode() + BODY, end=False)
    assert statuses(raw) == [202 if method == "POST" else 405] * 3
    lower = raw.lower()
    assert b"transfer-encoding" not in lower
    assert lower.count(b"content-length: ") == 3
    assert lower.count(b"connection: keep-alive\r\n") == 2
    assert lower.count(b"connection: close\r\n") == 1


async def test_a_client_that_ends_its_side_has_its_answers(daemon: Daemon) -> None:
    """They were committed, and the connection closed without a word."""
    one = f"POST /hooks/my-slug HTTP/1.1\r\nHost: x\r\n{SIGNED}\r\n".encode() + BODY
    assert statuses(await exchange(daemon, one)) == [202]
    assert statuses(await exchange(daemon, one * 3)) == [202] * 3
    assert statuses(await exchange(daemon, one + one[:-1])) in ([202], [])
    assert await exchange(daemon, one[:-1]) == b""
    assert await exchange(daemon, one[:20]) == b""
    assert await exchange(daemon, b"") == b""


async def test_a_body_is_asked_for_when_a_client_waits_for_that(daemon: Daemon) -> None:
    host, _, port = daemon.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /hooks/my-slug HTTP/1.1\r\nHost: x\r\n{SIGNED}Expect: 100-Continue\r\n\r\n"
    async with asyncio.timeout(HANG_S):
        writer.write(head.encode())
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(BODY)
        assert b" 202 " in await reader.readuntil(b"\r\n\r\n")
    writer.close()


async def test_no_answer_tells_what_serves(daemon: Daemon) -> None:
    for sent in (
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"POST /hooks/my-slug HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"y" * 70_000,
    ):
        raw = await exchange(daemon, sent, end=False)
        assert raw.startswith(b"HTTP/1.1 ")
        assert b"\r\nServer: dispatchd\r\n" in raw
        assert b"aiohttp" not in raw.lower()
        assert b"python" not in raw.lower()
        if sent.startswith(b"HEAD"):
            assert raw.endswith(b"\r\n\r\n")


async def test_every_content_encoding_is_kept(daemon: Daemon) -> None:
    """Which lines there were, and in which order, is what undoes them."""
    head = (
        "POST /hooks/open HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip, br\r\n"
        "content-encoding: deflate\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"
    )
    assert statuses(await exchange(daemon, head.encode())) == [202]
    (line,) = daemon.log.of("event")
    headers = (await daemon.story(line["event_id"])).event.headers
    kept = [value for name, value in headers if name.lower() == "content-encoding"]
    assert kept == ["gzip, br", "deflate"]


async def test_a_boundary_in_continuations_is_no_500(daemon: Daemon) -> None:
    for odd in ("boundary*=", "boundary*=x", "boundary*0*=utf-8''x", "boundary=\xe9", ";" * 8000):
        head = (
            f"POST /hooks/forms HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}; {odd}\r\n"
            "Content-Length: 5\r\nConnection: close\r\n\r\n--x\r\n"
        )
        assert statuses(await exchange(daemon, head.encode("latin-1"))) == [202], odd


NAMES = (
    "Authorization", "Content-Type", "Content-Encoding", "Expect", "X-Forwarded-For", "Forwarded",
    "X-Dispatch-Signature", "X-Hub-Signature-256", "Stripe-Signature", "svix-signature", "svix-id",
    "svix-timestamp", "X-Twilio-Signature", "X-Gitlab-Token", "Linear-Signature", "X-GitHub-Event",
    "X-Slack-Signature", "X-Slack-Request-Timestamp", "Idempotency-Key", "webhook-id", "Cookie",
    "Host", "Connection", "Upgrade", "Range", "Transfer-Encoding",
)  # fmt: skip
PIECES = (
    "application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=",
    "sha256=", "v1,", "t=", "Bearer dsp_", "JWT ", "eyJhbGciOiJIUzI1NiJ9.", "for=", "[::1]",
    "127.0.0.1", ", ", ";", "=", '"', "\\", "%", "%zz", "&", "é", "\x80", "0" * 64, "1" * 20, "-1",
    "=" * 500, "{", "[", "null", "1e999", "\\ud800", '{"id":', "}", "]", "close", "chunked",
    "100-continue", "websocket", " ", "\t",
)  # fmt: skip
METHODS = (
    "POST",
    "POST",
    "POST",
    "POST",
    "GET",
    "HEAD",
    "PUT",
    "OPTIONS",
    "CONNECT",
    "post",
    "P\x00",
)
VERSIONS = ("1.1", "1.1", "1.1", "1.0", "2.0", "9.9")


def odd_request(rng: random.Random, slugs: list[str]) -> bytes:
    def text(most: int = 6) -> str:
        return "".join(rng.choices(PIECES, k=rng.randrange(most)))

    prefix = rng.choice(("/hooks/",) * 9 + ("/", "//hooks/", "http://x/hooks/", ""))
    query = rng.choice(("", "", "?" + text().replace(" ", "").replace("\t", "")))
    target = prefix + rng.choice(slugs) + query
    lines = [f"{rng.choice(METHODS)} {target} HTTP/{rng.choice(VERSIONS)}", "Host: x"]
    lines += [f"{rng.choice(NAMES)}: {text(12)}" for _ in range(rng.randrange(8))]
    body = text(20).encode("utf-8", "replace") * rng.choice((1, 1, 1, 500))
    if rng.random() < 0.9:
        lines.append(f"Content-Length: {max(0, len(body) + rng.choice((0, 0, 0, 0, -1, 1)))}")
    sent = ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "replace") + body
    if rng.random() < 0.3:
        at = rng.randrange(len(sent))
        sent = sent[:at] + rng.randbytes(rng.randrange(4)) + sent[at + rng.randrange(3) :]
    return sent


async def test_whatever_is_sent_is_no_500_and_no_end(daemon: Daemon) -> None:
    rng = random.Random(11)
    slugs = ["my-slug", "open", "forms", "gitlab", "jira", "linear", "mailgun", "meta"]
    slugs += ["slack", "stripe", "svix", "twilio", "x", "nobody", "%6f"]
    seen: set[int] = set()
    for _ in range(40):
        batch = [odd_request(rng, slugs) for _ in range(20)]
        answers = await asyncio.gather(*[exchange(daemon, sent) for sent in batch])
        for sent, raw in zip(batch, answers, strict=True):
            assert not raw or raw.startswith(b"HTTP/1.1 "), (sent, raw)
            assert all(status < 500 for status in statuses(raw)), (sent, raw)
            seen.update(statuses(raw))
    assert daemon.log.of("internal_error") == []
    assert {200, 202, 400, 401, 404, 405} & seen == {202, 400, 401, 404, 405}
    await daemon.accepted(BODY)
