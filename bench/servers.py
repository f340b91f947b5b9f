"""The programs under test, each pinned to core 0: the daemon and the two ceilings."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from load import SECRET, SLUG
from machine import RefusedError

SERVER_CORE = 0
LOAD_CORE = 1
HERE = Path(__file__).resolve().parent
START_S = 30.0
STOP_S = 60.0
DESTINATION = "sink"
FLOODED_SLUG = "flooded"


@dataclass(frozen=True, slots=True)
class Side:
    """A source tree of dispatchd, and the interpreter that has the packages it needs."""

    name: str
    tree: Path
    python: str


# What an installed copy has beside it: without, each start would compile, and grow by it. In one
# place for all trees, for it is not ours to write into another; files are kept by their full path.
PYCACHE = HERE / "__pycache__" / "servers"
THIS = Side("this tree", HERE.parent, sys.executable)


def pin_load() -> None:
    """Keep load and sink, which live in this process, off the server's core."""
    if (os.cpu_count() or 1) < 2:
        raise RefusedError("two CPUs are needed: one for the server, one for load and sink")
    os.sched_setaffinity(0, {LOAD_CORE})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def config_text(
    port: int,
    database: Path,
    *,
    url: str | None = None,
    endpoint_lines: Sequence[str] = (),
    destination_lines: Sequence[str] = (),
    flooded_lines: Sequence[str] = (),
) -> str:
    """One endpoint, and one destination where `url` is given; the lines add keys to each.

    `flooded_lines` make a second endpoint.
    """
    lines = [
        "server:",
        f"  listen: 127.0.0.1:{port}",
        "storage:",
        f"  url: sqlite:///{database}",
        "endpoints:",
        *(f"  {line}" for line in _flooded(flooded_lines)),
        f"  {SLUG}:",
        f"    secret: {SECRET}",
        *(f"    {line}" for line in endpoint_lines),
    ]
    if url is not None:
        lines += [
            f"    destinations: [{DESTINATION}]",
            "destinations:",
            f"  {DESTINATION}:",
            f"    url: {url}",
            *(f"    {line}" for line in destination_lines),
        ]
    return "\n".join(lines) + "\n"


def _flooded(lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    return [f"{FLOODED_SLUG}:", f"  secret: {SECRET}", *(f"  {line}" for line in lines)]


class Server:
    """One running program; `started` is when it was spawned (CLOCK_MONOTONIC, s).

    `pinned` puts it on its core, and the caller on the load's.
    """

    def __init__(
        self,
        command: Sequence[str],
        port: int,
        log: Path,
        *,
        tree: Path = THIS.tree,
        pinned: bool = True,
    ) -> None:
        self.port = port
        self._log = log
        environment = {
            **os.environ,
            "PYTHONPATH": str(tree),
            "PYTHONPYCACHEPREFIX": str(PYCACHE),
            "PYTHONDONTWRITEBYTECODE": "",
        }
        self.started = time.monotonic()
        if pinned:
            os.sched_setaffinity(0, {SERVER_CORE})  # a child inherits it
        try:
            with log.open("ab") as stderr:
                # Not where we are: `-m` looks there before PYTHONPATH, and it may be another tree.
                self._process = subprocess.Popen(
                    command, stdout=stderr, stderr=stderr, env=environment, cwd=log.parent
                )
        finally:
            if pinned:
                os.sched_setaffinity(0, {LOAD_CORE})

    def wait_ready(self) -> None:
        url = f"http://127.0.0.1:{self.port}/healthz"
        while time.monotonic() < self.started + START_S:
            if self._process.poll() is not None:
                tail = self._log.read_text(errors="replace")[-2000:]
                raise RefusedError(f"the server ended with {self._process.returncode}:\n{tail}")
            with (
                contextlib.suppress(OSError, urllib.error.URLError),
                urllib.request.urlopen(url, timeout=5) as reply,
            ):
                if reply.status == 200:
                    return
            time.sleep(0.005)
        raise RefusedError(f"the server was not ready within {START_S:g} s; see {self._log}")

    def memory_mb(self, key: str = "VmRSS") -> float:
        """VmRSS or VmHWM in MB (10^6 bytes), its own processes included."""
        return sum(_memory_bytes(pid, key) for pid in _family(self._process.pid)) / 1e6

    def cpu_s(self) -> float:
        """User and system time, its own processes included."""
        return sum(_cpu_s(pid) for pid in _family(self._process.pid))

    def switches(self) -> int:
        """Context switches, voluntary and not, of the threads that live; its processes included."""
        return sum(map(_switches, _family(self._process.pid)))

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
                raise RefusedError(f"the server did not stop within {STOP_S:g} s") from None


@contextlib.contextmanager
def daemon(
    directory: Path,
    *,
    url: str | None = None,
    database: str = "bench.db",
    ready: bool = True,
    endpoint_lines: Sequence[str] = (),
    destination_lines: Sequence[str] = (),
    flooded_lines: Sequence[str] = (),
    side: Side = THIS,
) -> Iterator[Server]:
    """`dispatchd serve` on `directory`/`database`, its log going to a file."""
    port = free_port()
    config = directory / "config.yaml"
    config.write_text(
        config_text(
            port,
            directory / database,
            url=url,
            endpoint_lines=endpoint_lines,
            destination_lines=destination_lines,
            flooded_lines=flooded_lines,
        )
    )
    with serving(config, port, ready=ready, side=side) as made:
        yield made


@contextlib.contextmanager
def serving(
    config: Path, port: int, *, ready: bool = True, side: Side = THIS, pinned: bool = True
) -> Iterator[Server]:
    """`dispatchd serve` with a config that listens on `port`, in its directory."""
    server = launch(config, port, side=side, pinned=pinned)
    with _running(server, ready=ready):
        yield server


def launch(config: Path, port: int, *, side: Side = THIS, pinned: bool = True) -> Server:
    """Start `dispatchd serve` with a config that listens on `port`, in its directory."""
    command = [side.python, "-m", "dispatchd", "serve", "--config", str(config)]
    return Server(
        [*command, "--log-format", "json"],
        port,
        config.with_name("daemon.log"),
        tree=side.tree,
        pinned=pinned,
    )


@contextlib.contextmanager
def ceiling(directory: Path, kind: str, *arguments: str) -> Iterator[Server]:
    """`handler`, `raw`, or `relay SINK_URL WORKERS`."""
    port = free_port()
    command = [sys.executable, str(HERE / "ceiling.py"), kind, str(port), *arguments]
    server = Server(command, port, directory / "ceiling.log")
    with _running(server, ready=True):
        yield server


@contextlib.contextmanager
def _running(server: Server, *, ready: bool) -> Iterator[None]:
    try:
        if ready:
            server.wait_ready()
        yield
    finally:
        server.stop()


def _family(pid: int) -> list[int]:
    """The process and those it started, which count as it."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:  # gone, or a kernel that does not list them
        children = []
    return [pid, *(one for child in children for one in _family(int(child)))]


def _memory_bytes(pid: int, key: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    raise RefusedError(f"no {key} for process {pid}")


def _cpu_s(pid: int) -> float:
    """The clock of a process, in ns where /proc counts ticks: clock_getcpuclockid(3) makes its id.

    Linux: the pid's complement, and two bits that say "what the scheduler counted".
    """
    return time.clock_gettime(~pid << 3 | 2)


def _switches(pid: int) -> int:
    total = 0
    for path in Path(f"/proc/{pid}/task").glob("*/status"):
        with contextlib.suppress(OSError):  # the thread has ended meanwhile
            for line in path.read_text().splitlines():
                if "ctxt_switches:" in line:
                    total += int(line.split()[1])
    return total
