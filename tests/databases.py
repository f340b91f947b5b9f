"""Commands as processes, and what is in the databases that they leave."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from uuid import UUID

from dispatchd.store.sqlite import SqliteStore


async def ids_in(path: Path) -> set[str]:
    store = SqliteStore(str(path))
    await store.open()
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {str(UUID(bytes=row[0])) for row in connection.execute("SELECT id FROM events")}


def run(*args: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dispatchd", *map(str, args)],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def start(*args: object) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "dispatchd",
        *map(str, args),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=dict(os.environ),
    )
