"""How far `listen` was when it left: a small file for each daemon, endpoint and local address."""

import hashlib
import json
import os
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Final

KEEP_S: Final = 1.0  # at most so often


class Position:
    """The place of one listener, kept as it moves. What cannot be kept is no reason to stop."""

    def __init__(self, *names: str) -> None:
        name = hashlib.sha256("\0".join(names).encode()).hexdigest()[:32]
        self._path = _directory() / f"{name}.json"
        self._kept: str | None = None
        self._last: str | None = None
        self._kept_s = 0.0

    def read(self) -> tuple[str, int] | None:
        """Return the event behind which it was, and when that was kept (Unix ms)."""
        try:
            fields = json.loads(self._path.read_bytes())
            return str(uuid.UUID(fields["last_event_id"])), int(fields["at_ms"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def move(self, event_id: str | None) -> None:
        """Be behind an event."""
        self._last = event_id
        if event_id != self._kept and time.monotonic() - self._kept_s >= KEEP_S:
            self.keep()

    def keep(self) -> None:
        """Write it down with the time, whole or not at all."""
        if self._last is None:
            return
        fields = {"last_event_id": self._last, "at_ms": time.time_ns() // 1_000_000}
        beside = self._path.with_suffix(f".{os.getpid()}")
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            beside.write_text(json.dumps(fields))
            beside.replace(self._path)
            self._kept = self._last
        self._kept_s = time.monotonic()


def _directory() -> Path:
    """Return where programs keep such things: XDG's state directory."""
    given = os.environ.get("XDG_STATE_HOME", "")
    base = Path(given) if given.startswith("/") else Path.home() / ".local" / "state"
    return base / "dispatchd" / "listen"
