"""Talking to systemd: readiness, reloading, stopping and the watchdog (sd_notify(3)).

Outside systemd every call does nothing.
"""

import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """Sends states to the socket systemd names in `$NOTIFY_SOCKET`."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # A leading @ is systemd's spelling of an abstract socket, whose first byte is NUL.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        microseconds = environ.get("WATCHDOG_USEC", "")
        pid = environ.get("WATCHDOG_PID", "")
        mine = not pid or pid == str(os.getpid())
        self._watchdog_s = int(microseconds) / 1e6 if mine and microseconds.isdigit() else None

    @property
    def watchdog_interval_s(self) -> float | None:
        """How often to call `alive`: half of what systemd allows; None without a watchdog."""
        return self._watchdog_s / 2 if self._watchdog_s else None

    def ready(self) -> None:
        """Say that webhooks are being accepted."""
        self._send("READY=1")

    def extend_timeout(self, seconds: float) -> None:
        """Say that a start goes on, and to wait so much longer for it before giving it up."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}")

    def reloading(self) -> None:
        """Say that the config is being read anew, until `ready` says that it is in force.

        systemd wants to know when that began, by the clock it uses itself.
        """
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the daemon is finishing what is in flight."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
            try:
                notify.connect(self._address)
                notify.sendall(state.encode())
            except OSError:
                pass  # a manager that does not listen is no reason to stop serving
