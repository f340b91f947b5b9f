"""The child process that reads large bodies: frames in on stdin, frames out on stdout.

A process, because a parser holds the interpreter for as long as it takes: over a second where
10 MB are all brackets. What goes back is only what was asked for.

Request frame: lengths of the question and of the body (two big-endian uint32), both.
Reply frame: a status byte, lengths of the document and of the JSON (two uint32), both; the first
is the message where the body is not JSON.
"""

import gc
import json
import signal
import struct
import sys
from typing import Any, BinaryIO, Final

import orjson

from dispatchd.reading.content import read_content
from dispatchd.reading.json_text import NotJson
from dispatchd.reading.prune import Wanted, prune

REQUEST: Final = struct.Struct(">II")
REPLY: Final = struct.Struct(">BII")
READ, NOT_JSON = range(2)


def answer(question: dict[str, Any], body: bytes) -> tuple[int, bytes, bytes]:
    """Read one body; return a status, the document or a message, and a form's JSON if wanted."""
    try:
        content = read_content(
            body,
            question["content_type"],
            question["bodies"],
            tuple(question["exact"]),
            json=question["json"],
        )
    except NotJson as error:
        return NOT_JSON, str(error).encode("utf-8", "replace"), b""
    told = {
        "document": prune(content.document, Wanted(question["paths"])),
        "content_type": content.content_type,
        "exact": _plain(content.exact),
        "is_body": content.json is body,
    }
    return READ, _spelled(told), b"" if content.json is body else content.json or b""


def _plain(exact: Any) -> Any:
    """Return what a key may be; an integer as its digits, which no float can hold."""
    if isinstance(exact, (dict, list)):
        return None
    is_number = isinstance(exact, int) and not isinstance(exact, bool)
    return str(exact) if is_number else exact


def _spelled(told: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(told)
    except TypeError:  # a lone surrogate: only its escape can be sent
        return json.dumps(told).encode()


def main(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer until stdin ends, and not before: a Ctrl-C or a stop is for the daemon."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    gc.disable()  # documents have no cycles, and a collection in the midst of one is for nothing
    while len(head := requests.read(REQUEST.size)) == REQUEST.size:
        question_bytes, body_bytes = REQUEST.unpack(head)
        question = orjson.loads(requests.read(question_bytes))
        status, document, spelled = answer(question, requests.read(body_bytes))
        replies.write(REPLY.pack(status, len(document), len(spelled)) + document + spelled)
        replies.flush()


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
