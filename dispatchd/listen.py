"""Binding a listener: TCP, a unix socket or one of systemd's, with errors a person can act on."""

import asyncio
import os
import resource
import socket
import stat
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from aiohttp.web_runner import BaseSite

from dispatchd.errors import DispatchdError
from dispatchd.model import Listen

BACKLOG: Final = 1024  # connections the kernel queues while a batch commits
# To listen again sets it anew: as many as the system lets wait, for they do while we restart.
HANDED_BACKLOG: Final = 65_535
SOCKET_MODE: Final = 0o660  # the reverse proxy joins our group, nobody else connects


Handed = Callable[[str], Sequence[socket.socket]]  # a name, and what systemd has handed over by it


async def bind(
    runner: web.ServerRunner, listen: Listen, handed: Handed, beside: Sequence[int] = ()
) -> int | None:
    """Listen where `listen` says; return the port of a TCP listener. Raises DispatchdError.

    `beside` is `bind_tcp`'s.
    """
    if listen.path is not None:
        await bind_unix(runner, listen.path)
        return None
    if listen.handed is not None:
        return await bind_handed(runner, handed(listen.handed))
    return await bind_tcp(runner, listen.host, listen.port, beside)


async def bind_tcp(
    runner: web.ServerRunner, host: str, port: int, beside: Sequence[int] = ()
) -> int:
    """Listen on `host:port`; return the port, which matters where 0 was asked for.

    `beside` are sockets of ours (descriptors) that may listen there already, as for one address
    of many: the port is shared with them while both are open.
    """
    shares = bool(beside) or None
    site = web.TCPSite(runner, host, port, backlog=BACKLOG, reuse_address=True, reuse_port=shares)
    try:
        _share_port(beside, shares=True)
        await site.start()
    except OSError as error:
        raise DispatchdError(f"cannot listen on {host}:{port}: {_why(error)}") from error
    finally:
        _share_port([*beside, *listening(runner)], shares=False)
    address = runner.addresses[-1]
    return int(address[1])


async def bind_unix(runner: web.ServerRunner, path: str) -> None:
    """Listen on a unix socket, replacing one that a dead process left behind."""
    _remove_dead(path)
    try:
        await web.UnixSite(runner, path, backlog=BACKLOG).start()
        os.chmod(path, SOCKET_MODE)  # noqa: PTH101 - a socket, not a file to open
    except OSError as error:
        raise DispatchdError(f"cannot listen on unix:{path}: {_why(error)}") from error


async def bind_handed(runner: web.ServerRunner, sockets: Sequence[socket.socket]) -> int | None:
    """Listen on sockets that somebody else has bound; return the port of the last TCP one.

    Closing `runner` closes them here alone: who connects then waits for whoever listens next.
    """
    port = None
    for handed in sockets:
        await _HandedSite(runner, handed, backlog=HANDED_BACKLOG).start()
        if handed.family != socket.AF_UNIX:
            port = int(handed.getsockname()[1])
    return port


class _HandedSite(web.SockSite):
    async def start(self) -> None:
        """Listen; a unix socket by the call that is for those, and its file stays."""
        if self._sock.family != socket.AF_UNIX:
            await super().start()
            return
        await BaseSite.start(self)
        server: Any = self._runner.server
        keep: Any = {} if sys.version_info < (3, 13) else {"cleanup_socket": False}
        self._server = await asyncio.get_running_loop().create_unix_server(
            server, sock=self._sock, backlog=self._backlog, **keep
        )


def raise_file_limit(wanted: int) -> int:
    """Let this process open `wanted` files, or as many as it may; return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


def listening(runner: web.ServerRunner) -> list[int]:
    """Return the descriptors of the sockets that `runner` listens on."""
    found: list[int] = []
    for site in runner.sites:
        server: Any = site._server  # noqa: SLF001 - aiohttp shows its address alone
        # Without one it could not bind, or has stopped.
        found += [one.fileno() for one in getattr(server, "sockets", None) or ()]
    return found


def _share_port(descriptors: Sequence[int], *, shares: bool) -> None:
    """Let another socket of this user bind the same port, or no longer (socket(7))."""
    for descriptor in descriptors:
        with socket.socket(fileno=os.dup(descriptor)) as listener:
            if listener.family != socket.AF_UNIX:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shares)


def _remove_dead(path: str) -> None:
    try:
        mode = Path(path).stat().st_mode
    except OSError:
        return
    if not stat.S_ISSOCK(mode):
        raise DispatchdError(f"cannot listen on unix:{path}: the file is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()
        except OSError:
            return
        else:
            raise DispatchdError(f"cannot listen on unix:{path}: another process does")


def _why(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)
