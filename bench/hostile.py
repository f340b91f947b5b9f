"""What anybody may send, unproved, and how a destination may misbehave: each as a row.

A request is what goes over one new connection: bytes, in pieces where the order of their arrival
matters. A destination is what comes back after a delivery's request.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

MIB = 1024 * 1024
FORM_BYTES = 10 * MIB - 1024  # just below the largest body that is taken
PIECE_BYTES = 64 * 1024

# Endpoints by what reads the body before it knows who sent it.
ENDPOINTS = {
    "generic": "secret: bench-secret",
    "mailgun": "provider: mailgun\n    secret: bench-secret",
    "twilio": "provider: twilio\n    secret: bench-secret\n    url: http://127.0.0.1/hooks/twilio",
    "slack": "provider: slack\n    secret: bench-secret",
    "stripe": "provider: stripe\n    secret: bench-secret",
    "any": "body: any\n    secret: bench-secret",
}


@dataclass(frozen=True, slots=True)
class Request:
    """One hostile request; `connections` send it at once. One that `holds` is never whole."""

    name: str
    make: Callable[[], bytes]
    connections: int = 1
    holds: bool = False


def _post(slug: str, body: bytes, *lines: str) -> bytes:
    head = [f"POST /hooks/{slug} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, *lines, "", ""]).encode() + body


def _held(slug: str, sent_bytes: int) -> bytes:
    """Announce the largest body, and send so much of it."""
    head = f"POST /hooks/{slug} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {FORM_BYTES}\r\n\r\n"
    return head.encode() + b"x" * sent_bytes


def _form(slug: str, piece: bytes) -> bytes:
    body = piece * (FORM_BYTES // len(piece))
    return _post(slug, body, "Content-Type: application/x-www-form-urlencoded")


def _parts(slug: str) -> bytes:
    part = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'
    body = part * (FORM_BYTES // len(part)) + b"--b--\r\n"
    return _post(slug, body, "Content-Type: multipart/form-data; boundary=b")


def _deep(slug: str, opening: bytes) -> bytes:
    return _post(slug, opening * (FORM_BYTES // len(opening)), "Content-Type: application/json")


def _wide(slug: str) -> bytes:
    body = b"[" + b"[]," * (FORM_BYTES // 3 - 2) + b"1]"
    return _post(slug, body, "Content-Type: application/json")


def _chunked(slug: str) -> bytes:
    head = f"POST /hooks/{slug} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head.encode() + b"1\r\nx\r\n" * MIB + b"0\r\n\r\n"


REQUESTS = (
    Request(
        "8,100 semicolons in a multipart Content-Type",
        lambda: _post("mailgun", b"x", "Content-Type: multipart/form-data" + ";" * 8_100),
    ),
    Request(
        "8,000 quotes and backslashes in a multipart Content-Type",
        lambda: _post(
            "mailgun", b"x", 'Content-Type: multipart/form-data; boundary="' + '\\"' * 4_000
        ),
    ),
    Request(
        "boundary*= in a multipart Content-Type",
        lambda: _post("mailgun", b"x", "Content-Type: multipart/form-data; boundary*=utf-8''x"),
    ),
    Request("a 10 MB form of many fields, mailgun", lambda: _form("mailgun", b"a=1&")),
    Request("a 10 MB form of many fields, twilio", lambda: _form("twilio", b"a=1&")),
    Request("a 10 MB form of percent signs, mailgun", lambda: _form("mailgun", b"%41%")),
    Request("a 10 MB form of many fields, slack", lambda: _form("slack", b"a=1&")),
    Request("a 10 MB multipart of many parts, mailgun", lambda: _parts("mailgun")),
    Request("10 MB of deep JSON, generic", lambda: _deep("generic", b"[")),
    Request("10 MB of deep JSON, mailgun", lambda: _deep("mailgun", b"[")),
    Request("10 MB of deep objects, mailgun", lambda: _deep("mailgun", b'{"a":')),
    Request("10 MB of wide JSON, mailgun", lambda: _wide("mailgun")),
    Request(
        "8 KB of signatures, stripe",
        lambda: _post("stripe", b"{}", "Stripe-Signature: t=1" + ",v1=0" * 1_300),
    ),
    Request(
        "2,000 header lines",
        lambda: _post("generic", b"{}", *(f"X-{number}: a" for number in range(2_000))),
    ),
    Request(
        "X-Forwarded-For, 7 lines of 8 KB",
        lambda: _post("generic", b"{}", *(["X-Forwarded-For: " + "1.2.3.4," * 1_000] * 7)),
    ),
    Request(
        "Forwarded, 7 lines of 8 KB",
        lambda: _post("generic", b"{}", *(["Forwarded: " + 'for="[::1]",' * 660] * 7)),
    ),
    Request("a chunked body in a million chunks", lambda: _chunked("any")),
    Request(
        "13 connections that hold back the last of 10 MB",
        lambda: _held("generic", FORM_BYTES - 1),
        connections=13,
        holds=True,
    ),
    Request(
        "13 connections that fill 128 MiB and hold back the rest",
        lambda: _held("generic", 128 * MIB // 13 - 8),
        connections=13,
        holds=True,
    ),
)


def _endless(head: bytes, piece: bytes) -> Iterator[bytes]:
    yield head
    while True:
        yield piece


OK = b"HTTP/1.1 200 OK\r\n"
DESTINATIONS: dict[str, Callable[[], Iterator[bytes]]] = {
    "a flood of interim answers": partial(
        _endless, b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1_000
    ),
    "headers without end": partial(_endless, OK, b"X-A: b\r\n" * 4_000),
    "one header without end": partial(_endless, OK + b"X-A: ", b"a" * PIECE_BYTES),
    "a body without end, in single bytes": partial(
        _endless, OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 4_000
    ),
    "a body without end": partial(
        _endless, OK + b"Content-Length: 1000000000000\r\n\r\n", b"a" * PIECE_BYTES
    ),
}
