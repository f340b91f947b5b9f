"""Where log lines go: written at once where that cannot block, by a thread where it could.

A pipe whose reader has stopped (a paused pager, a journal that hangs) must not stop the daemon.
Its file status flags are left alone: the stream is shared with the shell and other processes.
"""

import asyncio
import os
import select
import stat
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO, Final

BACKLOG_MAX_BYTES: Final = 4 * 1024 * 1024  # about 12,000 lines; what comes on top is counted
CLOSE_WAIT_S: Final = 2.0  # for a slow reader at exit


class Sink:
    """Writes lines; those logged within one turn of the event loop go out together.

    A group commit answers many requests in one turn: one write for all their lines. While the
    reader is slow, lines wait in memory in their order, up to `backlog_max_bytes`; what does not
    fit is dropped, and `dropped_line(count)` is written in its place. May be called by any thread.
    """

    def __init__(
        self,
        stream: BinaryIO,
        dropped_line: Callable[[int], bytes],
        *,
        backlog_max_bytes: int = BACKLOG_MAX_BYTES,
    ) -> None:
        self._stream = stream
        self._direct = _direct_writer(stream)
        self._dropped_line = dropped_line
        self._backlog_max_bytes = backlog_max_bytes
        # Reentrant: a collection may begin while it is held, and what it ends may log.
        self._mutex = threading.RLock()
        self._lock = threading.Condition(self._mutex)  # whose own `with` is Python, and slower
        self._lines: list[bytes] = []  # of this turn
        self._flush_is_due = False
        self._backlog: deque[bytes] = deque()
        self._backlog_bytes = 0
        self._dropped = 0
        self._thread_is_busy = False
        self._thread: threading.Thread | None = None

    def write(self, line: bytes) -> None:
        """Write one line, without its newline. Never blocks, never raises."""
        with self._mutex:
            self._lines.append(line)
            if self._flush_is_due:
                return
            try:
                asyncio.get_running_loop().call_soon(self._flush_turn)
            except RuntimeError:  # outside the event loop there are no turns to wait for
                self._flush()
            else:
                self._flush_is_due = True

    def close(self, wait_s: float = CLOSE_WAIT_S) -> None:
        """Write what is left, waiting `wait_s` at most for a reader that is slow."""
        deadline_s = time.monotonic() + wait_s
        with self._lock:
            self._flush()  # also those of a turn that never came: the loop may have ended
            while self._thread_is_busy:
                left_s = deadline_s - time.monotonic()
                if left_s <= 0 or not self._lock.wait(left_s):
                    return

    def _flush_turn(self) -> None:
        with self._mutex:
            self._flush()

    def _flush(self) -> None:
        self._flush_is_due = False
        lines, self._lines = self._lines, []
        if not lines:
            return
        rest = b"\n".join(lines) + b"\n"
        if not self._thread_is_busy:
            try:
                rest = self._direct(rest)
            except OSError:
                return  # a log that cannot be written (a full disk, a closed pipe) stops nothing
            if not rest:
                return
            # Begun already: it goes on whatever the bound is, or a line would end in its middle.
            self._keep(rest)
        elif self._backlog_bytes + len(rest) > self._backlog_max_bytes:
            self._dropped += len(lines)
            return
        else:
            self._say_dropped()
            self._keep(rest)
        self._wake_thread()

    def _keep(self, text: bytes) -> None:
        self._backlog.append(text)
        self._backlog_bytes += len(text)

    def _say_dropped(self) -> None:
        if self._dropped:
            self._keep(self._dropped_line(self._dropped) + b"\n")
            self._dropped = 0

    def _wake_thread(self) -> None:
        self._thread_is_busy = True
        if self._thread is None:  # most daemons never need it
            self._thread = threading.Thread(target=self._drain, name="log", daemon=True)
            self._thread.start()
        self._lock.notify_all()

    def _drain(self) -> None:
        """Write the backlog, for ever: the only place that waits for a reader."""
        while True:
            with self._lock:
                if not self._backlog:
                    self._say_dropped()
                while not self._backlog:
                    self._thread_is_busy = False
                    self._lock.notify_all()  # whoever closes waits for this
                    self._lock.wait()
                text = self._backlog.popleft()
            with suppress(OSError, ValueError):  # as above; ValueError: the stream was closed
                _write_all(self._stream.fileno(), text)
            with self._lock:
                self._backlog_bytes -= len(text)


def _direct_writer(stream: BinaryIO) -> Callable[[bytes], bytes]:
    """Return a function that writes what it can without blocking, and returns the rest."""
    try:
        file = stream.fileno()
        mode = os.fstat(file).st_mode
    except (OSError, ValueError):  # no file of the system's: memory

        def to_memory(text: bytes) -> bytes:
            stream.write(text)
            return b""

        return to_memory
    if stat.S_ISREG(mode) or (stat.S_ISCHR(mode) and not os.isatty(file)):

        def to_file(text: bytes) -> bytes:
            _write_all(file, text)  # waits for nobody
            return b""

        return to_file
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        poll = select.poll()
        poll.register(file, select.POLLOUT)

        def to_pipe(text: bytes) -> bytes:
            # What poll calls writable takes PIPE_BUF bytes without blocking: a pipe by POSIX, a
            # socket (the journal's) because it is called so only with more room than that.
            written = 0
            while written < len(text) and poll.poll(0):
                written += os.write(file, text[written : written + select.PIPE_BUF])
            return text[written:]

        return to_pipe
    # A terminal promises nothing of the kind, and has one line a second to write.
    return lambda text: text


def _write_all(file: int, text: bytes) -> None:
    view = memoryview(text)
    while view:
        view = view[os.write(file, view) :]
