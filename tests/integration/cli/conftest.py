"""A config, a database filled through the store, and the real command line to look at them."""

import asyncio
import json
import os
import pty
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rig_doctor import configure

from dispatchd.cli import main
from dispatchd.clock import new_id
from dispatchd.doctor import clocks, open_files, space
from dispatchd.model import (
    Attempt,
    Dead,
    Delivered,
    ErrorClass,
    Event,
    EventStatus,
    RetryAt,
    Verdict,
)
from dispatchd.store import Store, store_from_url

CONFIG = """\
server:
  listen: {listen}
storage:
  url: sqlite:///{database}
api_keys:
  - {{name: ci, hash: "sha256:{key_hash}"}}
endpoints:
  my-slug:
    secret: a-signing-secret
    destinations: [crm, audit]
  keyed:
    destinations: [crm]
destinations:
  crm: {{url: "http://127.0.0.1:9/in"}}
  audit: {{url: "http://127.0.0.1:9/audit"}}
"""


NO_CONFIG = ("catch", "completion", "import", "init", "key", "man", "try")


@dataclass
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


class World:
    """One installation: `dispatchd(...)` runs a command in it, in this process."""

    def __init__(self, directory: Path, capture: pytest.CaptureFixture, monkeypatch) -> None:
        self.directory = directory
        self.database = directory / "dispatchd.db"
        self.config = directory / "config.yaml"
        self._capture = capture
        self._monkeypatch = monkeypatch
        self.configure()

    def configure(self, listen: str = "127.0.0.1:8080") -> None:
        text = CONFIG.format(listen=listen, database=self.database, key_hash="0" * 64)
        self.config.write_text(text)

    def dispatchd(self, *args: object) -> Ran:
        """Run the command line as its entry point does; a traceback fails the test."""
        argv = ["dispatchd", *map(str, args)]
        if "--config" not in argv and args[0] not in NO_CONFIG:
            argv += ["--config", str(self.config)]
        self._monkeypatch.setattr(sys, "argv", argv)
        self._capture.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        captured = self._capture.readouterr()
        assert "Traceback" not in captured.err
        return Ran(code, captured.out, captured.err)

    def on_terminal(self, *args: str, columns: int) -> list[str]:
        """Run a command on a terminal `columns` wide; return its lines without colours."""
        shown = self.raw_on_terminal(*args, columns=columns)
        return re.sub(r"\x1b\[[0-9;]*[mK]", "", shown).splitlines()

    def raw_on_terminal(
        self,
        *args: str,
        columns: int,
        environ: dict[str, str] | None = None,
        stdin: str | None = None,
    ) -> str:
        """Run a command on a terminal `columns` wide; return what it was sent.

        It may read from the terminal, too, where there is something on `stdin`.
        """
        own = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
        main_fd, terminal = pty.openpty()
        running = subprocess.Popen(
            [sys.executable, "-m", "dispatchd", *args, "--config", self.config],
            stdin=subprocess.DEVNULL if stdin is None else terminal,
            stdout=terminal,
            stderr=terminal,
            env={**own, "COLUMNS": str(columns), "TERM": "xterm", **(environ or {})},
        )
        os.close(terminal)
        if stdin:
            os.write(main_fd, stdin.encode())
        shown = b""
        while True:
            try:
                chunk = os.read(main_fd, 65536)
            except OSError:  # Linux's word for: the other side has closed
                break
            if not chunk:
                break
            shown += chunk
        os.close(main_fd)
        assert running.wait() == 0
        return shown.decode()

    def store(self, work) -> Any:
        """Run `work(store)` on the database, creating it as the daemon would."""

        async def inside() -> Any:
            store = store_from_url(f"sqlite:///{self.database}")
            await store.open()
            try:
                return await work(store)
            finally:
                await store.close()

        return asyncio.run(inside())

    def add(self, *destinations: str, **fields: Any) -> Event:
        """Keep an event owed to `destinations`."""
        event = make_event(**fields)
        self.store(lambda store: store.add_event(event, destinations))
        return event

    def lanes(self, *destinations: str) -> None:
        """Start as a daemon that knows `destinations` would."""
        self.store(lambda store: store.open_lanes(destinations))

    def attempt(self, event: Event, destination: str, verdict: Verdict, **fields: Any) -> None:
        """Record the next attempt at a delivery."""

        async def work(store: Store) -> None:
            story = await store.get_event(event.id)
            delivery = next(d for d in story.deliveries if d.destination == destination)
            attempt = make_attempt(event, destination, delivery.attempts + 1, **fields)
            await store.record(delivery, attempt, verdict)

        self.store(work)

    def deliver(self, event: Event, destination: str) -> None:
        self.attempt(event, destination, Delivered(), status_code=200, response_head=b"thanks")

    def fail(self, event: Event, destination: str) -> None:
        self.attempt(event, destination, Dead(), status_code=500, error=ErrorClass.HTTP)

    def retry(self, event: Event, destination: str, due_ms: int) -> None:
        self.attempt(
            event, destination, RetryAt(due_ms), error=ErrorClass.REFUSED, message="refused"
        )

    def statuses(self, event: Event) -> dict[str, str]:
        story = self.store(lambda store: store.get_event(event.id))
        return {d.destination: d.status.value for d in story.deliveries}


def make_event(**fields: Any) -> Event:
    return Event(
        **{
            "id": new_id(),
            "endpoint": "my-slug",
            "endpoint_id": "7b0c0000-0000-4000-8000-000000000001",
            "received_ms": time.time_ns() // 1_000_000,
            "event_type": "opened",
            "source_ip": "192.0.2.1",
            "status": EventStatus.RECEIVED,
            "filtered_by": None,
            "content_type": "application/json",
            "headers": (("Content-Type", "application/json"), ("User-Agent", "GitHub-Hookshot")),
            "body": b'{"action":"opened"}',
            **fields,
        }
    )


def make_attempt(event: Event, destination: str, number: int, **fields: Any) -> Attempt:
    return Attempt(
        **{
            "event_id": event.id,
            "destination": destination,
            "number": number,
            "started_ms": event.received_ms + number,
            "latency_ms": 12.5,
            "status_code": None,
            "error": None,
            "message": None,
            "response_headers": (("Content-Type", "text/plain"),),
            "response_head": b"",
            "transform": None,
            **fields,
        }
    )


@pytest.fixture
def world(tmp_path, capfd, monkeypatch) -> World:
    """Return an installation without a database yet."""
    for name in ("DISPATCHD_CONFIG", "DISPATCHD_API_KEY", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return World(tmp_path, capfd, monkeypatch)


@pytest.fixture
def process():
    """Start `dispatchd ...` as a process of its own; it ends with the test."""
    started: list[subprocess.Popen] = []

    def start(*args: object, **options: Any) -> subprocess.Popen:
        running = subprocess.Popen(
            [sys.executable, "-m", "dispatchd", *map(str, args)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env={k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"},
            **options,
        )
        started.append(running)
        return running

    yield start
    for running in started:
        running.kill()
        running.communicate()


@pytest.fixture
def there() -> Iterator[socket.socket]:
    """Listen as the destination does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def sound(world, there, monkeypatch):
    """Return an installation where all is well."""
    secret = world.directory / "secret"
    secret.write_text("sekrit-3-sekrit-3-sekrit-3")
    secret.chmod(0o600)
    configure(world, there)
    world.add("crm")
    # What these machines are like is no business of these tests.
    monkeypatch.setattr(clocks, "synchronised", lambda: True)
    monkeypatch.setattr("dispatchd.doctor.disk.WRITES", 5)
    monkeypatch.setattr("dispatchd.doctor.disk.SLOW_P50_MS", 60_000.0)
    monkeypatch.setattr("dispatchd.doctor.disk.SLOW_P99_MS", 60_000.0)
    monkeypatch.setattr("dispatchd.doctor.disk.file_system", lambda *_: "ext4")
    monkeypatch.setattr(space, "bound", lambda *_: 1)
    monkeypatch.setattr(open_files, "FILES_BESIDE", 1)
    return world
