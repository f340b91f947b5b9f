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
    """One running program; `started` is when it was spawned (CLOCK_MONOTONIC, s)."""

    def __init__(self, command: Sequence[str], port: int, log: Path) -> None:
        self.port = port
        self._log = log
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
        self.started = time.monotonic()
        os.sched_setaffinity(0, {SERVER_CORE})  # a child inherits it
        try:
            with log.open("ab") as stderr:
                self._process = subprocess.Popen(
                    command, stdout=stderr, stderr=stderr, env=environment
                )
        finally:
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
        return sum(_cpu_s(pid) for pid in _family(self._process.pid))

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
    command = ["-m", "dispatchd", "serve", "--config", str(config), "--log-format", "json"]
    with _running([sys.executable, *command], port, directory / "daemon.log", ready=ready) as made:
        yield made


@contextlib.contextmanager
def ceiling(directory: Path, kind: str, *arguments: str) -> Iterator[Server]:
    """`handler`, `raw`, or `relay SINK_URL WORKERS`."""
    port = free_port()
    command = [sys.executable, str(HERE / "ceiling.py"), kind, str(port), *arguments]
    with _running(command, port, directory / "ceiling.log", ready=True) as made:
        yield made


@contextlib.contextmanager
def _running(command: Sequence[str], port: int, log: Path, *, ready: bool) -> Iterator[Server]:
    server = Server(command, port, log)
    try:
        if ready:
            server.wait_ready()
        yield server
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
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
