"""Commands that are killed, with SIGKILL, before or after exactly the n-th thing they do to files.

Run as a script it is a server: it imports the command line once, then forks a process for each
run, which a profiler's hook counts the calls of. No thread is started before a fork.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Self

# Of the functions written in C: those that change files, and those that have SQLite do so.
CALLS = {
    "backup", "chmod", "chown", "close", "execute", "fchmod", "fdatasync", "fsync", "link",
    "pwrite", "remove", "rename", "replace", "truncate", "unlink", "write",
}  # fmt: skip


class Killer:
    """Runs commands, each to the n-th step and no further. A context manager."""

    def __enter__(self) -> Self:
        self._server = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.wait()

    def run(self, step: int, *args: object) -> int:
        """Run `dispatchd args`, killed at its `step`-th step; return the wait status."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        asked = {"step": step, "args": [str(arg) for arg in args]}
        self._server.stdin.write(json.dumps(asked) + "\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())

    def each_step(self, *args: object) -> Iterator[int]:
        """Run a command again and again, each time one step further, until it ends by itself."""
        step = 0
        while True:
            status = self.run(step, *args)
            if not os.WIFSIGNALED(status):
                assert os.waitstatus_to_exitcode(status) == 0, status
                return
            assert os.WTERMSIG(status) == signal.SIGKILL, status
            yield step
            step += 1


def _serve() -> None:
    import sqlite3  # noqa: F401, PLC0415 - all that a command needs, once

    from dispatchd.cli import backup, main, restore  # noqa: F401, PLC0415
    from dispatchd.config import load_outline  # noqa: F401, PLC0415
    from dispatchd.store.sqlite import SqliteStore, copies  # noqa: F401, PLC0415

    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            sys.argv = ["dispatchd", *asked["args"]]
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            _kill_at(asked["step"])
            main()
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{status}\n")
        sys.stdout.flush()


def _kill_at(step: int) -> None:
    left = step

    def hook(_frame: object, event: str, call: object) -> None:
        nonlocal left
        if event in ("c_call", "c_return") and getattr(call, "__name__", "") in CALLS:
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

    sys.setprofile(hook)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    _serve()
