"""A daemon of whatever build, to be asked over HTTP and read by its log."""

import contextlib
import hashlib
import hmac
import http.client
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rig_served import free_port

SECRET = b"s3cret-of-the-test"


class Running:
    """A started `dispatchd serve`."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], port: int, admin_port: int = 0
    ) -> None:
        self.port = port
        self.admin_port = admin_port
        self.lines: list[dict[str, Any]] = []
        self._process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env=dict(environment)
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    def wait_for(self, event: str) -> dict[str, Any]:
        """Return the next log line of an event."""
        assert self._process.stderr is not None
        for raw in self._process.stderr:
            self.lines.append(json.loads(raw))
            if self.lines[-1]["event"] == event:
                return self.lines[-1]
        raise AssertionError(f"it ended without {event!r}: {self.lines}")

    def stop(self) -> None:
        """End it as a manager would."""
        self._process.terminate()
        self._process.communicate()


@contextlib.contextmanager
def daemon(
    program: Sequence[str],
    config: str,
    directory: Path,
    environment: Mapping[str, str],
    seen_as: str | None = None,
) -> Iterator[Running]:
    """Serve a config, in which PORT, ADMIN and DIR stand for what they are.

    `seen_as` is what DIR is for the daemon.
    """
    port, admin_port = free_port(), free_port()
    seen = seen_as or str(directory)
    text = config.replace("PORT", str(port)).replace("ADMIN", str(admin_port)).replace("DIR", seen)
    (directory / "config.yaml").write_text(text)
    command = [*program, "serve", "--config", f"{seen}/config.yaml", "--log-format", "json"]
    running = Running(command, environment, port, admin_port)
    try:
        running.wait_for("admin_started" if "ADMIN" in config else "started")
        yield running
    finally:
        running.stop()


def post(running: Running, body: bytes) -> tuple[int, bytes]:
    """Post a signed webhook."""
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=60)
    signature = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    connection.request(
        "POST", "/hooks/my-slug", body, {"X-Dispatch-Signature": f"sha256={signature}"}
    )
    try:
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
