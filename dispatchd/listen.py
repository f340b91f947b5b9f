"""Binding the public listener: TCP or a unix socket, with errors a person can act on."""

import os
import resource
import socket
import stat
from pathlib import Path
from typing import Final

from aiohttp import web

from dispatchd.errors import DispatchdError

BACKLOG: Final = 1024  # connections the kernel queues while a batch commits
SOCKET_MODE: Final = 0o660  # the reverse proxy joins our group, nobody else connects


async def bind_tcp(runner: web.ServerRunner, host: str, port: int) -> int:
    """Listen on `host:port`; return the port, which matters where 0 was asked for."""
    site = web.TCPSite(runner, host, port, backlog=BACKLOG, reuse_address=True)
    try:
        await site.start()
    except OSError as error:
        raise DispatchdError(f"cannot listen on {host}:{port}: {_why(error)}") from error
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


def raise_file_limit(wanted: int) -> int:
    """Let this process open `wanted` files, or as many as it may; return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


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
