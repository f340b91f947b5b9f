"""Reading the config again while the daemon runs, in a fresh process.

A fork needs there to be no threads, and what a reader imports would stay for good.
"""

import asyncio
import pickle
import sys
from asyncio.subprocess import DEVNULL, PIPE
from typing import Final

from dispatchd import __version__
from dispatchd.children import end_child
from dispatchd.plan.plan import Plan

READ_MAX_S: Final = 60.0  # a named pipe in place of a file would be waited for without end


async def read_again(source: str) -> Plan | list[str]:
    """Read the config at `source` with this process's environment: the plan, or what is wrong."""
    try:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "dispatchd.plan.worker", source, stdin=DEVNULL, stdout=PIPE
        )
    except OSError as error:
        return [f"cannot start a process to read the config: {error.strerror or error}"]
    try:
        async with asyncio.timeout(READ_MAX_S):
            sent, _ = await child.communicate()
    except TimeoutError:
        return [f"reading {source} took more than {READ_MAX_S:g} s"]
    finally:
        await end_child(child)
    if child.returncode != 0:
        return [f"reading {source} ended with exit code {child.returncode}"]
    version, _, pickled = sent.partition(b"\n")
    if version.decode() != __version__:
        newer = f"dispatchd was upgraded from {__version__} to {version.decode()}"
        return [f"{newer} since it started: restart it"]
    read = pickle.loads(pickled)  # noqa: S301 - it comes from our own child, over its pipe
    if isinstance(read, Plan):
        return read
    message, _ = read
    return str(message).splitlines()
