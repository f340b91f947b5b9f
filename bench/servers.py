"""The programs under test, each pinned to core 0: the daemon and the two ceilings."""

import contextlib
import os
import signal
import socket
import sqlite3
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
    server_lines: Sequence[str] = (),
) -> str:
    """One endpoint, and one destination where `url` is given; the lines add keys to each."""
    lines = [
        "server:",
        f"  listen: 127.0.0.1:{port}",
        *(f"  {line}" for line in server_lines),
        "storage:",
        f"  url: sqlite:///{database}",
        "endpoints:",
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

    @property
    def pid(self) -> int:
        return self._process.pid

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
        """VmRSS or VmHWM in MB (10^6 bytes)."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024 / 1e6
        return float("nan")

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

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
        )
    )
    command = ["-m", "dispatchd", "serve", "--config", str(config), "--log-format", "json"]
    with _running([sys.executable, *command], port, directory / "daemon.log", ready=ready) as made:
        yield made


@contextlib.contextmanager
def ceiling(directory: Path, kind: str, *arguments: str) -> Iterator[Server]:
    """`handler`, or `relay SINK_URL WORKERS`."""
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


def stored_ids(database: Path) -> set[str]:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return {_uuid(row[0]) for row in connection.execute("SELECT id FROM events")}


def delivery_counts(database: Path) -> dict[str, int]:
    """Deliveries by status."""
    with contextlib.closing(sqlite3.connect(database, timeout=10)) as connection:
        return dict(
            connection.execute("SELECT status, count(*) FROM deliveries GROUP BY status").fetchall()
        )


def unfinished(database: Path) -> int:
    """Deliveries still owed: read from the due index, so it is cheap to ask often."""
    with contextlib.closing(sqlite3.connect(database, timeout=10)) as connection:
        sql = "SELECT count(*) FROM deliveries WHERE status IN ('queued', 'retrying')"
        return int(connection.execute(sql).fetchone()[0])


def require_stored(database: Path, acked: set[str]) -> None:
    """Look each acknowledged id up."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        sql = "SELECT 1 FROM events WHERE id = ?"
        missing = sum(
            connection.execute(sql, (bytes.fromhex(one.replace("-", "")),)).fetchone() is None
            for one in acked
        )
    if missing:
        raise RefusedError(f"{missing} acknowledged events are not in the database")


def _uuid(raw: bytes) -> str:
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
