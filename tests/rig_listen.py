"""`dispatchd listen`, and tail, as processes of their own; what it prints can be waited for."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from patience import HANG_S


class Listening:
    """A running listen: lines of its two outputs, as they come."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.out: list[str] = []
        self.err: list[str] = []
        self._more = asyncio.Condition()
        self._reading = [
            asyncio.create_task(self._read(process.stdout, self.out)),
            asyncio.create_task(self._read(process.stderr, self.err)),
        ]

    async def _read(self, stream: asyncio.StreamReader | None, lines: list[str]) -> None:
        assert stream is not None
        async for line in stream:
            async with self._more:
                lines.append(line.decode().rstrip("\n"))
                self._more.notify_all()

    async def until(self, met: Callable[["Listening"], object]) -> None:
        async with asyncio.timeout(HANG_S), self._more:
            await self._more.wait_for(lambda: met(self))

    async def ready(self) -> "Listening":
        """Wait until it follows."""
        await self.until(lambda one: any("; Ctrl-C ends it" in line for line in one.err))
        return self

    async def lines(self, count: int) -> list[str]:
        await self.until(lambda one: len(one.out) >= count)
        return self.out

    async def documents(self, count: int) -> list[dict[str, Any]]:
        return [json.loads(line) for line in await self.lines(count)]

    async def ended(self) -> int:
        async with asyncio.timeout(HANG_S):
            code = await self.process.wait()
            await asyncio.gather(*self._reading)
        assert not any("Traceback" in line for line in self.err), self.err
        return code

    async def stop(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        assert await self.ended() == 0, self.err

    async def kill(self) -> None:
        self.process.kill()
        await self.ended()


@asynccontextmanager
async def listening(
    directory: Path, *args: object, token: str | None = None, command: str = "listen"
) -> AsyncIterator[Listening]:
    """Start one that keeps its positions in `directory`; it is killed at the end."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("DISPATCHD_")}
    if token is not None:
        environ["DISPATCHD_ADMIN_TOKEN"] = token
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "dispatchd", command, *map(str, args)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.DEVNULL,
        env={**environ, "XDG_STATE_HOME": str(directory / "state"), "PYTHONWARNINGS": "default"},
        cwd=directory,
    )
    one = Listening(process)
    try:
        yield one
    finally:
        if process.returncode is None:
            await one.kill()
