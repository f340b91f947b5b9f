"""A daemon in a process of its own, to be killed."""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
from patience import HANG_S
from rig import RecordingLog, signature


class ProcessDaemon:
    """`dispatchd serve` as a child; its log lines can be waited for."""

    def __init__(
        self,
        config: Path,
        database: Path,
        wrapper: Sequence[str] = (),
        stdin: socket.socket | None = None,
    ) -> None:
        self._config = config
        self._stdin = stdin
        self.database = database
        self._wrapper = list(wrapper)
        self.log = RecordingLog()
        self.port: int | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self._process is not None
        return self._process

    async def launch(self) -> None:
        """Start the process without waiting for it to serve."""
        self.log = RecordingLog()
        self._process = await asyncio.create_subprocess_exec(
            *self._wrapper,
            sys.executable,
            "-m",
            "dispatchd",
            "serve",
            "--config",
            str(self._config),
            "--log-format",
            "json",
            stdin=self._stdin,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONWARNINGS": "default"},
        )
        self._reading = asyncio.create_task(self._read())

    async def start(self) -> None:
        """Start the process; return when it serves."""
        await self.launch()
        (line,) = await self.log.wait_for("started")
        self.port = line["port"]

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for raw in self.process.stderr:
            try:
                fields = json.loads(raw)
            except ValueError:
                fields = {"event": "text", "level": "error", "text": raw.decode()}
            self.log._write(fields.pop("level"), fields.pop("event"), fields)
        self.log.end()

    async def kill(self) -> None:
        """SIGKILL: no chance to clean up."""
        if self.process.returncode is None:
            self.process.kill()
        await self._gone()

    async def terminate(self) -> int:
        """SIGTERM; return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        await self._gone()
        assert self.process.returncode is not None
        return self.process.returncode

    async def _gone(self) -> None:
        async with asyncio.timeout(HANG_S):
            await self.process.wait()
            if self._reading is not None:
                await self._reading

    async def post(
        self, http: aiohttp.ClientSession, body: bytes
    ) -> tuple[int, dict[str, Any], Any]:
        """Post a signed webhook."""
        async with http.post(
            f"http://127.0.0.1:{self.port}/hooks/my-slug",
            data=body,
            headers={"X-Dispatch-Signature": signature(body)},
        ) as response:
            return response.status, await response.json(), response.headers

    def check_database(self) -> None:
        """Assert what must hold after any crash: intact, no attempt number skipped or doubled."""
        connection = sqlite3.connect(self.database)
        try:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            wrong = connection.execute(
                "SELECT d.event_id, d.destination, d.attempts, count(a.number), max(a.number)"
                " FROM deliveries d LEFT JOIN attempts a USING (event_id, destination)"
                " GROUP BY d.event_id, d.destination"
                " HAVING d.attempts != count(a.number) OR d.attempts != ifnull(max(a.number), 0)"
            ).fetchall()
            assert wrong == []
            stray = connection.execute(
                "SELECT count(*) FROM deliveries d LEFT JOIN events e ON e.id = d.event_id"
                " WHERE e.id IS NULL"
            ).fetchone()
            assert stray == (0,)
        finally:
            connection.close()


MakeDaemon = Callable[..., ProcessDaemon]
