"""One program run: in a session of its own, so that all it starts can be ended with it.

The body is a file that has no name: a program that does not read it hangs nobody. Of its output
the first 2 KB are kept and the rest is read and dropped, slowly enough to leave the loop alone.
It is `subprocess` that starts it: a loop's own way (uvloop's) leaves files of ours open in it.
A run ends when its program does; what it left running in its process group is ended too.
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, cast

from dispatchd.model import Command, ErrorClass, Failure, Outcome, Reply

HEAD_MAX_BYTES: Final = 2048
ALWAYS_PASSED: Final = ("PATH", "HOME", "LANG")
LOOK_EVERY_S: Final = 0.02  # for the end of a process group, which tells nobody
OUTPUT_WAIT_S: Final = 1.0  # for output still in the pipe, should somebody hold its other end
READ_EVERY_S: Final = 0.002  # a pipe holds 64 KiB: 32 MB/s of output
CUT_GRACE_S: Final = 3.0  # when the daemon ends; what is cut runs again
KEEPER: Final = Path(__file__).with_name("command_keeper.py")
# Not by the program's own doing: whoever ends a service or a machine sends these.
_FROM_OUTSIDE: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Commands:
    """Runs programs. A keeper, one small process, ends what runs should this one be killed."""

    def __init__(self) -> None:
        self._groups: set[int] = set()
        self._keeper: subprocess.Popen[bytes] | None = None

    async def send(self, command: Command) -> Outcome:
        """Run a program; the status is its exit code."""
        started_s = time.perf_counter()
        output = _Output()
        read_end, write_end = os.pipe()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: output, os.fdopen(read_end, "rb", buffering=0)
        )
        try:
            try:
                with _stdin(command.stdin) as stdin:
                    process = self._started(command, stdin, write_end)
            except OSError as error:
                return Failure(ErrorClass.COMMAND, _unstarted(command, error), _since_ms(started_s))
            finally:
                os.close(write_end)
            in_time = await self._ran(process, command)
            with suppress(TimeoutError, asyncio.CancelledError):  # likewise: its outcome is known
                async with asyncio.timeout(OUTPUT_WAIT_S):
                    await output.ended.wait()
        finally:
            transport.close()
        head, taken_ms = bytes(output.head), _since_ms(started_s)
        if not in_time:
            message = f"it did not end within {command.timeout_s:g} s, and was ended"
            return Failure(ErrorClass.TIMEOUT, message, taken_ms, head=head)
        return _outcome(process.returncode, head, taken_ms)

    def _started(self, command: Command, stdin: IO[bytes], output: int) -> subprocess.Popen[bytes]:
        self._have_keeper()
        process = subprocess.Popen(  # noqa: S603 - what the config says, and no shell
            command.argv,
            stdin=stdin,
            stdout=output,
            stderr=output,
            env=environment(command),
            cwd=command.cwd,
            start_new_session=True,
        )
        self._groups.add(process.pid)
        self._tell(f"+{process.pid}\n")
        return process

    async def _ran(self, process: subprocess.Popen[bytes], command: Command) -> bool:
        """Wait for a program and end what is left of its group; return whether it was in time."""
        in_time, grace_s, wait_s = True, command.grace_s, None
        try:
            async with asyncio.timeout(command.timeout_s):
                await _ended(process)
        except TimeoutError:
            in_time = False
        except BaseException:
            grace_s, wait_s = min(grace_s, CUT_GRACE_S), CUT_GRACE_S
            raise
        finally:
            try:
                # When it has ended what came of it is known: who cuts this cuts its grace alone.
                with suppress(asyncio.CancelledError):
                    await _end_group(process, grace_s)
                with suppress(TimeoutError):  # one that is another user's by now, as by sudo
                    async with asyncio.timeout(wait_s):
                        await _ended(process)
            finally:
                self._groups.discard(process.pid)
                self._tell(f"-{process.pid}\n")
        return in_time

    def _have_keeper(self) -> None:
        """Start the keeper, unless it is there. Raises OSError."""
        if self._keeper is not None and self._keeper.poll() is None:
            return
        self._let_keeper_go()
        self._keeper = subprocess.Popen(  # noqa: S603 - ourselves
            # Neither our environment nor what is installed here is any of its business.
            (sys.executable, "-I", "-S", str(KEEPER)),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env={},
            bufsize=0,
            start_new_session=True,
        )
        for group in self._groups:
            self._tell(f"+{group}\n")

    def _tell(self, line: str) -> None:
        if self._keeper is not None and self._keeper.stdin is not None:
            with suppress(OSError):  # it was killed: the next command starts another
                self._keeper.stdin.write(line.encode())

    def _let_keeper_go(self) -> None:
        if self._keeper is not None and self._keeper.stdin is not None:
            self._keeper.stdin.close()

    async def close(self) -> None:
        """Let the keeper go, when nothing runs any more."""
        self._let_keeper_go()
        if self._keeper is not None:
            await _ended(self._keeper)


class _Output(asyncio.Protocol):
    """Keeps the beginning of what is read."""

    def __init__(self) -> None:
        self.head = bytearray()
        self.ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.ReadTransport", transport)  # uvloop's has another name

    def data_received(self, data: bytes) -> None:
        self.head += data[: HEAD_MAX_BYTES - len(self.head)]
        self._transport.pause_reading()
        asyncio.get_running_loop().call_later(READ_EVERY_S, self._read_on)

    def _read_on(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        self.ended.set()


def environment(command: Command) -> dict[str, str]:
    """Return a program's environment: little of ours, so that it learns no secret of ours."""
    passed = {
        name: os.environ[name] for name in (*ALWAYS_PASSED, *command.pass_env) if name in os.environ
    }
    return {"PATH": os.defpath, **passed, **command.env}


def _stdin(body: bytes) -> IO[bytes]:
    """Return a file without a name that holds `body`, to be read from its beginning."""
    if hasattr(os, "memfd_create"):
        file: IO[bytes] = os.fdopen(os.memfd_create("body"), "w+b", buffering=0)
    else:
        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - its caller closes it
    view = memoryview(body)
    while view:
        view = view[file.write(view) :]
    file.seek(0)
    return file


async def _ended(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process to end."""
    if not hasattr(os, "pidfd_open"):
        while process.poll() is None:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(LOOK_EVERY_S)
        return
    if process.poll() is not None:
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    descriptor = os.pidfd_open(process.pid)
    try:
        loop.add_reader(descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
    finally:
        os.close(descriptor)
    process.wait()


async def _end_group(process: subprocess.Popen[bytes], grace_s: float) -> None:
    """End a process's group: SIGTERM, up to `grace_s` for it to go, SIGKILL."""
    group = process.pid
    if not _signal(group, signal.SIGTERM):
        return
    until_s = time.monotonic() + grace_s
    try:
        while _there(process) and time.monotonic() < until_s:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(LOOK_EVERY_S)
    finally:
        if _there(process):
            _signal(group, signal.SIGKILL)


def _there(process: subprocess.Popen[bytes]) -> bool:
    """Whether anything is left of a process's group; the process itself is reaped."""
    process.poll()
    return _signal(process.pid, 0)


def _signal(group: int, number: int) -> bool:
    """Signal a process group; return whether there is anything of it that we may signal."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _outcome(code: int, head: bytes, taken_ms: float) -> Outcome:
    if code >= 0:
        return Reply(code, (), head, taken_ms)
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    if -code in _FROM_OUTSIDE:
        return Failure(
            ErrorClass.COMMAND, f"it was ended from outside by {name}", taken_ms, head=head
        )
    return Failure(ErrorClass.REJECTED, f"it was ended by {name}", taken_ms, head=head)


def _unstarted(command: Command, error: OSError) -> str:
    """Say why; which of program and directory it is about, not every loop tells."""
    where = "" if command.cwd is None else f" in {command.cwd}"
    return f"cannot start {command.argv[0]}{where}: {error.strerror or 'no process'}"


def _since_ms(started_s: float) -> float:
    return round((time.perf_counter() - started_s) * 1000, 3)
