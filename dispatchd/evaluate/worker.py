"""The child process that evaluates: frames in on stdin, frames out on stdout.

A process, because no engine's own time bound holds inside its builtins: a range, a `$distinct` or
a `$split` on a payload chosen by a sender can run for seconds with the interpreter held. The bound
is on processor time and kept by the kernel (SIGPROF, unhandled, ends the process wherever it is):
what a stopped process, a paused machine or a busy neighbour costs in wall time counts for nothing.
"""

import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import BinaryIO, Final

from dispatchd.evaluate.frames import (
    CPU_MAX_MS,
    EXIT_BROKEN,
    JSONATA,
    MEMORY_MAX_BYTES,
    REPLY,
    REQUEST,
    RETIRE_BYTES,
    TEMPLATE,
)

Job = Callable[[str, bytes, bytes], tuple[int, bytes]]

LEVELS_MAX: Final = 2000  # of Python's own JSON reader; receiver and engine take about 1000


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer frames until the parent goes away, or a document has left us too large."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # an engine's last words may quote the payload
    # Not before the bound on memory stands: the engine's allocator sets its sights by it.
    jobs = {JSONATA: _job(JSONATA)}
    ends = False
    while not ends and len(header := requests.read(REQUEST.size)) == REQUEST.size:
        kind, *lengths = REQUEST.unpack(header)
        try:
            expression, bindings, document = map(requests.read, lengths)
            if kind not in jobs:  # imported on nobody's time
                jobs[kind] = _job(kind)
            signal.setitimer(signal.ITIMER_PROF, CPU_MAX_MS / 1000)
            status, payload = jobs[kind](expression.decode(), document, bindings)
            signal.setitimer(signal.ITIMER_PROF, 0)
        except BaseException:  # noqa: BLE001 - an engine's panic is no Exception; no memory is one
            os._exit(EXIT_BROKEN)
        ends = _resident_bytes() > RETIRE_BYTES
        replies.write(REPLY.pack(status, ends, len(payload)))
        replies.write(payload)
        replies.flush()


def _job(kind: int) -> Job:
    """Import what does a kind of job: few processes need every one."""
    if kind == TEMPLATE:
        from dispatchd.evaluate.template import evaluate as render  # noqa: PLC0415

        return render
    from dispatchd.evaluate.jsonata import evaluate  # noqa: PLC0415

    return evaluate


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
    # What ends the daemon, or is told to its whole group, is for the daemon: it closes us.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX_BYTES, MEMORY_MAX_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a payload must not be dumped to disk
    sys.setrecursionlimit(LEVELS_MAX)
    _go_first()
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
