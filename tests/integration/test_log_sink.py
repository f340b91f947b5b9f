"""The log's stream: a reader that stops stalls nobody, loses nothing that fits, and is told."""

import asyncio
import fcntl
import gc
import io
import os
import pty
import socket
import subprocess
import sys
import termios
import textwrap
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import pytest
from patience import HANG_S

from dispatchd.log.sink import Sink

LINE = b"x" * 992
PIPE_LINES = 64 + 4  # of 1 KB, in a pipe and in what is begun


def said(count: int) -> bytes:
    return b"dropped %d" % count


def numbered(count: int) -> list[bytes]:
    return [b"%06d " % n + LINE for n in range(count)]


def read_all(out: int) -> list[bytes]:
    """Read until the writer's end is closed."""
    parts = []
    try:
        while part := os.read(out, 1 << 20):
            parts.append(part)
    except OSError:  # a pseudo-terminal's way to end
        pass
    return b"".join(parts).replace(b"\r\n", b"\n").splitlines()


def in_pipe() -> tuple[int, BinaryIO]:
    out, into = os.pipe()
    return out, os.fdopen(into, "wb", buffering=0)


def fill(stream: BinaryIO) -> None:
    """Fill a pipe to its last byte, with empty lines."""
    os.set_blocking(stream.fileno(), False)
    with suppress(BlockingIOError):
        while os.write(stream.fileno(), b"\n" * 4096):
            pass
    os.set_blocking(stream.fileno(), True)


def in_socket() -> tuple[int, BinaryIO]:
    """As standard error is the journal's under systemd."""
    here, there = socket.socketpair()
    return here.detach(), os.fdopen(there.detach(), "wb", buffering=0)


def in_terminal() -> tuple[int, BinaryIO]:
    out, into = pty.openpty()
    return out, os.fdopen(into, "wb", buffering=0)


STREAMS = {"pipe": in_pipe, "socket": in_socket, "terminal": in_terminal}


@pytest.mark.parametrize("made", STREAMS.values(), ids=STREAMS)
def test_a_reader_that_stops_stalls_nobody_and_loses_nothing_that_fits(
    made: Callable[[], tuple[int, BinaryIO]],
) -> None:
    out, stream = made()
    flags = fcntl.fcntl(stream.fileno(), fcntl.F_GETFL)
    sink = Sink(stream, said)
    lines = numbered(1500)
    for line in lines:
        sink.write(line)  # nobody reads: one that blocked would do so for ever
    found: list[bytes] = []
    reading = threading.Thread(target=lambda: found.extend(read_all(out)))
    reading.start()
    sink.close(20)
    assert fcntl.fcntl(stream.fileno(), fcntl.F_GETFL) == flags  # they are the shell's too
    if os.isatty(stream.fileno()):
        termios.tcdrain(stream.fileno())
    stream.close()
    reading.join()
    os.close(out)
    assert found == lines


def test_what_does_not_fit_is_counted_and_told_of_once_there_is_room() -> None:
    out, stream = in_pipe()
    fill(stream)  # or the thread, whenever it has its turn, would make room for one more
    sink = Sink(stream, said, backlog_max_bytes=100_000)
    lines = numbered(1000)
    for line in lines:
        sink.write(line)
    found: list[bytes] = []
    reading = threading.Thread(target=lambda: found.extend(read_all(out)))
    reading.start()
    sink.close(20)
    sink.write(b"after")
    stream.close()
    reading.join()
    os.close(out)
    found = [line for line in found if line]
    kept = found[:-2]
    assert kept == lines[: len(kept)]
    assert 100 <= len(kept) <= 100 + PIPE_LINES
    assert found[-2:] == [said(1000 - len(kept)), b"after"]


def test_close_waits_no_longer_than_it_is_told() -> None:
    out, stream = in_pipe()
    sink = Sink(stream, said)
    for line in numbered(200):
        sink.write(line)
    sink.close(0.01)  # returns, though nobody reads
    os.close(out)  # which ends the thread's wait: its write fails
    sink.close(20)
    stream.close()


def test_a_reader_that_has_gone_is_no_error() -> None:
    out, stream = in_pipe()
    os.close(out)
    sink = Sink(stream, said)
    for line in numbered(200):
        sink.write(line)
    sink.close()
    stream.close()


async def test_lines_of_one_turn_go_out_together_and_none_is_left_by_a_loop_that_ends() -> None:
    writes: list[bytes] = []

    class Memory(io.BytesIO):
        def write(self, text: bytes) -> int:  # type: ignore[override]
            writes.append(bytes(text))
            return len(text)

    sink = Sink(Memory(), said)
    sink.write(b"a")
    sink.write(b"b")
    assert writes == []
    await asyncio.sleep(0)
    assert writes == [b"a\nb\n"]
    sink.write(b"c")
    sink.close()
    assert writes == [b"a\nb\n", b"c\n"]


def test_the_last_lines_of_a_process_are_written() -> None:
    """Those of the loop's last turn, and those that a slow reader had yet to take."""
    script = textwrap.dedent(
        """
        import asyncio
        from dispatchd.log import make_log

        log = make_log("json")

        async def main():
            for n in range(2000):
                log.info("started", n=n, filler="x" * 200)
            asyncio.get_running_loop().stop()

        try:
            asyncio.run(main())
        except RuntimeError:
            pass
        log.error("stopped")
        log.close()
        """
    )
    root = Path(__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=root, stderr=subprocess.PIPE, check=True
    )
    lines = ran.stderr.splitlines()
    assert len(lines) == 2001
    assert b'"stopped"' in lines[-1]


def test_threads_may_log_beside_the_loop() -> None:
    out, stream = in_pipe()
    sink = Sink(stream, said)
    lines = numbered(400)

    def write(part: list[bytes]) -> None:
        for line in part:
            sink.write(line)

    threads = [threading.Thread(target=write, args=(lines[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    found: list[bytes] = []
    reading = threading.Thread(target=lambda: found.extend(read_all(out)))
    reading.start()
    for thread in threads:
        thread.join()
    sink.close(20)
    stream.close()
    reading.join()
    os.close(out)
    assert sorted(found) == lines


def test_a_line_that_a_collection_logs_while_another_is_written_blocks_nobody() -> None:
    """Collections begin anywhere, and asyncio logs a failed future that nobody asked from one."""

    class Forgotten:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            sink.write(b"of a collection")

    class Collecting(io.BytesIO):
        def write(self, text: bytes) -> int:  # type: ignore[override]
            gc.collect()
            return super().write(text)

    stream = Collecting()
    sink = Sink(stream, said)
    Forgotten()
    writing = threading.Thread(target=lambda: sink.write(b"a line"), daemon=True)
    writing.start()
    writing.join(HANG_S)
    assert not writing.is_alive()
    assert sorted(stream.getvalue().splitlines()) == [b"a line", b"of a collection"]
