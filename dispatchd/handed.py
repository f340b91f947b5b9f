"""Sockets that systemd listens on and hands over at the start (sd_listen_fds(3)).

They stay open while a daemon is restarted: who connects meanwhile waits instead of being refused.
"""

import os
import socket
import stat
from collections.abc import MutableMapping
from typing import Final

from dispatchd.errors import DispatchdError

FIRST_DESCRIPTOR: Final = 3  # SD_LISTEN_FDS_START
_VARIABLES: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


class HandedSockets:
    """The sockets handed to this process, by the names that their units give them."""

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        """Take what `environ` tells of, so that no child takes it for its own."""
        pid, count, names = (environ.pop(name, "") for name in _VARIABLES)
        self._sockets: list[tuple[str, int]] = []
        if pid != str(os.getpid()) or not count.isdecimal():
            return
        named = names.split(":") if names else []
        for index in range(int(count)):
            descriptor = FIRST_DESCRIPTOR + index
            os.set_inheritable(descriptor, False)  # noqa: FBT003 - it has no keyword
            name = named[index] if index < len(named) else "unknown"
            self._sockets.append((name, descriptor))

    def get(self, name: str) -> list[socket.socket]:
        """Return the sockets of a name, or all, of which there is one name; each a duplicate.

        Raises DispatchdError that says what there is instead.
        """
        listen = f"systemd:{name}" if name else "systemd"
        names = sorted({named for named, _ in self._sockets})
        if not names:
            raise DispatchdError(
                f"cannot listen on {listen}: systemd has handed over no socket; start it by its"
                " socket unit (systemctl enable --now dispatchd.socket), or write host:port"
            )
        if not name and len(names) > 1:
            choices = ", ".join(f"systemd:{one}" for one in names)
            raise DispatchdError(
                f"cannot listen on {listen}: systemd has handed over sockets of several names;"
                f" write which: {choices}"
            )
        found = [fd for named, fd in self._sockets if named == (name or names[0])]
        if not found:
            raise DispatchdError(
                f"cannot listen on {listen}: systemd has handed over {', '.join(names)}"
            )
        return [_listener(descriptor, listen) for descriptor in found]


def _listener(descriptor: int, listen: str) -> socket.socket:
    """Return another descriptor of a socket, which must be one that listens for connections."""
    if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        handed = socket.socket(fileno=os.dup(descriptor))
        if handed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            handed.settimeout(0)
            return handed
        handed.close()
    raise DispatchdError(
        f"cannot listen on {listen}: what systemd has handed over is no listening stream socket;"
        " the socket unit wants ListenStream= and no Accept=yes"
    )
