"""The child process that evaluates JSONata: frames in on stdin, frames out on stdout.

A process, because no engine's own time bound holds inside its builtins: a range, a `$distinct` or
a `$split` on a payload chosen by a sender can run for seconds with the interpreter held. The bound
is on processor time and kept by the kernel (SIGPROF, unhandled, ends the process wherever it is):
what a stopped process, a paused machine or a busy neighbour costs in wall time counts for nothing.
"""

import os
import re
import resource
import signal
import sys
from functools import lru_cache
from typing import Any, BinaryIO, Final

from jlens import Expression, JlensError

from dispatchd.evaluate.frames import (
    CPU_MAX_MS,
    ERROR,
    EXIT_BROKEN,
    MEMORY_MAX_BYTES,
    NOTHING,
    REPLY,
    REQUEST,
    RESULT_MAX_BYTES,
    RETIRE_BYTES,
    STRING_MAX_BYTES,
    VALUE,
)

LEVELS_MAX: Final = 2000  # of Python's own reader; the receiver and the engine take about 1000

_WORDS: Final = re.compile(r"[A-Za-z ]{1,100}")  # of a message, up to the first value
# Their words are the payload's: what $error and $assert were given.
_SPOKEN: Final = {"D3137": "$error was called", "D3141": "$assert failed"}


@lru_cache(maxsize=256)
def _compile(expression: str) -> Expression:
    return Expression(expression)


def evaluate(expression: str, document: bytes, bindings: bytes) -> tuple[int, bytes]:
    """Evaluate `expression` over the JSON `document`; return a status and its payload.

    The members of `bindings` are the expression's variables.
    """
    try:
        names = _loads(bindings) if bindings else None
        compiled = _compile(expression)
        text = document.decode()
        try:
            result = compiled.evaluate_json(
                text, names, max_string_length=STRING_MAX_BYTES, max_result_size=RESULT_MAX_BYTES
            )
        except ValueError:
            result = _by_the_letter(compiled, text, names)
    except (JlensError, RecursionError) as error:
        return ERROR, _told(error).encode()
    except ValueError:
        return ERROR, b"the input is not JSON"
    if result is None:
        return NOTHING, b""
    encoded = result.encode("utf-8", "replace")
    if len(encoded) > RESULT_MAX_BYTES:
        return ERROR, b"the result is larger than 10 MiB"
    return VALUE, encoded


def _by_the_letter(compiled: Expression, text: str, names: dict[str, Any] | None) -> str | None:
    """Evaluate over what the engine's reader refuses and JSON allows.

    A lone surrogate becomes U+FFFD, 1e999 the largest number, and more than 128 levels are read.
    A null cannot be told from nothing here, and counts as nothing. Raises ValueError.
    """
    result = compiled.evaluate(
        _loads(text),
        names,
        max_string_length=STRING_MAX_BYTES,
        max_result_size=RESULT_MAX_BYTES,
    )
    if result is None:
        return None
    import json  # noqa: PLC0415 - few documents come here, and the process stays small

    return json.dumps(result, ensure_ascii=False, separators=(",", ":"))


def _loads(text: str | bytes) -> Any:
    import json  # noqa: PLC0415 - likewise

    return json.loads(text, parse_float=_finite, parse_constant=_no_constant)


def _finite(digits: str) -> float:
    return max(-sys.float_info.max, min(sys.float_info.max, float(digits)))


def _no_constant(name: str) -> float:
    raise ValueError(name)


def _told(error: Exception) -> str:
    """Say what went wrong without the payload: the engine's messages quote values."""
    if not isinstance(error, JlensError):
        return "nested too deeply"
    found = _WORDS.match(str(error))
    words = _SPOKEN.get(error.code) or (found[0].strip() if found else "")
    return f"{error.code}: {words}" if words else error.code


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer frames until the parent goes away, or a document has left us too large."""
    ends = False
    while not ends and len(header := requests.read(REQUEST.size)) == REQUEST.size:
        _, *lengths = REQUEST.unpack(header)
        expression, bindings, document = map(requests.read, lengths)
        signal.setitimer(signal.ITIMER_PROF, CPU_MAX_MS / 1000)
        status, payload = evaluate(expression.decode(), document, bindings)
        signal.setitimer(signal.ITIMER_PROF, 0)
        ends = _resident_bytes() > RETIRE_BYTES
        replies.write(REPLY.pack(status, ends, len(payload)))
        replies.write(payload)
        replies.flush()


def _resident_bytes() -> int:
    try:
        descriptor = os.open("/proc/self/statm", os.O_RDONLY)
    except OSError:  # no Linux
        return 0
    pages = os.read(descriptor, 100).split()[1]
    os.close(descriptor)
    return int(pages) * resource.getpagesize()


def _go_first() -> None:
    """Let a machine out of memory take us, whose work is tried again, and not the daemon."""
    try:
        descriptor = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(descriptor, b"1000")
        os.close(descriptor)
    except OSError:  # no Linux, or not allowed: it was only a wish
        pass


def main() -> None:
    """Bound this process, then serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the daemon, which closes us
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX_BYTES, MEMORY_MAX_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a payload must not be dumped to disk
    sys.setrecursionlimit(LEVELS_MAX)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # an engine's last words may quote the payload
    _go_first()
    try:
        serve(sys.stdin.buffer, sys.stdout.buffer)
    except BaseException:  # noqa: BLE001 - the engine's panic is no Exception, MemoryError is one
        os._exit(EXIT_BROKEN)


if __name__ == "__main__":
    main()
