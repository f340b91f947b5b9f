"""A stored event as a command that sends it again, without what proved its sender. Pure."""

import re
import shlex
from collections.abc import Sequence
from typing import Final

BODY_MAX_BYTES: Final = 2048  # a longer body is taken from a file
HEADERS_MAX: Final = 30
HEADER_MAX_CHARS: Final = 200  # a longer one is left out
_PLAIN: Final = re.compile(r"[\t\n\x20-\x7e]*", re.ASCII)
# What a client writes by itself, or a proxy did.
_LEFT_OUT: Final = frozenset(
    {"host", "content-length", "connection", "accept-encoding", "transfer-encoding", "accept"}
)


def curl(
    url: str,
    headers: Sequence[tuple[str, str]],
    content_type: str,
    body: bytes,
    *,
    socket: str | None = None,
) -> str:
    """Return a command for a POSIX shell that says the same to `url`, but for long headers."""
    words = ["curl", "-X", "POST"]
    if socket is not None:
        words += ["--unix-socket", socket]
    words.append(url)
    lines = [shlex.join(words)]
    named = {name.lower() for name, _ in headers}
    all_headers = (
        [*headers]
        if "content-type" in named
        else [
            *headers,
            ("Content-Type", content_type or "application/json"),
        ]
    )
    for name, value in all_headers[:HEADERS_MAX]:
        short = len(name) + len(value) <= HEADER_MAX_CHARS
        if name.lower() not in _LEFT_OUT and value.isprintable() and short:
            lines.append(f"-H {shlex.quote(f'{name}: {value}')}")
    if len(body) <= BODY_MAX_BYTES:
        lines.append(f"--data-binary {_quoted(body)}")
    else:
        lines.append("--data-binary @body  # the body, saved to a file of this name")
    return " \\\n  ".join(lines)


def _quoted(body: bytes) -> str:
    """Quote bytes so that none of them commands the terminal they are pasted into."""
    text = body.decode("latin-1")
    if _PLAIN.fullmatch(text):
        return shlex.quote(text)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        pass
    else:
        if all(char.isprintable() or char in "\n\t" for char in text):
            return shlex.quote(text)
    spelled = "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte not in b"'\\" else f"\\x{byte:02x}"  # noqa: PLR2004
        for byte in body
    )
    return f"$'{spelled}'"
