"""The child process that evaluates JSONata: frames in on stdin, frames out on stdout.

A process, because no engine's own time bound holds inside its builtins: a range, a `$pad` or a
`$split` on a payload chosen by a sender can run for seconds with the interpreter held.

Request frame: expression length, data length (two big-endian uint32), expression, data (JSON).
Reply frame: status byte, length (uint32), payload: the result, nothing, or an error message.
"""

import re
import resource
import signal
import struct
import sys
from functools import lru_cache
from typing import Any, BinaryIO, Final

import jsonata
import orjson

REQUEST: Final = struct.Struct(">II")
REPLY: Final = struct.Struct(">BI")
VALUE, NOTHING, ERROR = range(3)

ENGINE_TIMEOUT_MS: Final = 100
MAX_DEPTH: Final = 200
RESULT_MAX_BYTES: Final = 10 * 1024 * 1024
MEMORY_MAX_BYTES: Final = 1024 * 1024 * 1024  # address space; the interpreter maps a part of it

_WORDS: Final = re.compile(r"(?:[A-Z][0-9]{4}: *)?[A-Za-z ]{0,100}")  # up to the first value


@lru_cache(maxsize=256)
def _compile(expression: str) -> Any:
    compiled = jsonata.Jsonata(expression)
    compiled.set_runtime_bounds(ENGINE_TIMEOUT_MS, MAX_DEPTH)
    compiled.set_output_convert_nulls(False)
    return compiled


def evaluate(expression: str, data: bytes) -> tuple[int, bytes]:
    """Evaluate `expression` over the JSON `data`; return a status and its payload."""
    try:
        result = _compile(expression).evaluate(orjson.loads(data))
        if result is jsonata.UNDEFINED:
            return NOTHING, b""
        encoded = orjson.dumps(result)
    except Exception as error:  # noqa: BLE001 - whatever the engine raises is the expression's fault
        return ERROR, _told(error).encode("utf-8", "replace")
    if len(encoded) > RESULT_MAX_BYTES:
        return ERROR, b"the result is larger than 10 MiB"
    return VALUE, encoded


def _told(error: Exception) -> str:
    """Say what went wrong without the payload: engines quote the value that did not fit."""
    found = _WORDS.match(str(error))
    return (found[0].strip() if found else "") or type(error).__name__


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer frames until the parent goes away."""
    while len(header := requests.read(REQUEST.size)) == REQUEST.size:
        expression_bytes, data_bytes = REQUEST.unpack(header)
        expression = requests.read(expression_bytes).decode()
        status, payload = evaluate(expression, requests.read(data_bytes))
        replies.write(REPLY.pack(status, len(payload)) + payload)
        replies.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the daemon, which closes us
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX_BYTES, MEMORY_MAX_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a payload must not be dumped to disk
    serve(sys.stdin.buffer, sys.stdout.buffer)
