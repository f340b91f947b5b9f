"""Replays while deliveries are under way, as a person makes them: the command, and the store."""

import asyncio
import json
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path

from machine import RefusedError
from seed import opened
from servers import THIS

from dispatchd.errors import StoreUnavailable
from dispatchd.store import Store
from dispatchd.store.jobs import ReplayQuery

PAUSE_S = 1.0  # between rounds
NEW_EVENTS = 100  # the newest, whose deliveries are under way or between two attempts
SINGLES = 20  # deliveries of a round, each in a transaction of its own


class Replays:
    """Replays some of `acked`, which grows meanwhile, until it is told to stop."""

    def __init__(self, config: Path, database: Path, acked: Sequence[str], lanes: int) -> None:
        self.deliveries = 0  # that were started afresh
        self.calls = 0
        self.asked = 0
        self.refused: list[str] = []
        self._config = config
        self._database = database
        self._acked = acked
        self._lanes = lanes
        self._random = random.Random(3)
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        self._stopped.set()

    async def run(self) -> None:
        while not self._acked and not self._stopped.is_set():
            await asyncio.sleep(0.01)
        async with opened(self._database) as store:
            rounds = 0
            while self._acked:
                for number in range(SINGLES):
                    query = ReplayQuery(
                        event_ids=(self._pick(new=number % 2 == 0),),
                        destination=f"d{self._random.randrange(self._lanes)}",
                    )
                    try:
                        self.deliveries += await replayed(store, query)
                    except StoreUnavailable as error:
                        self.refused.append(str(error))
                    self.asked += 1
                # A whole event by turns: all its lanes, and one of them.
                lane = f"d{self._random.randrange(self._lanes)}" if rounds % 2 else None
                await self.command([self._pick(new=True)], lane)
                rounds += 1
                if self._stopped.is_set():
                    return
                try:
                    async with asyncio.timeout(PAUSE_S):
                        await self._stopped.wait()
                except TimeoutError:
                    continue

    async def command(self, events: Sequence[str], destination: str | None = None) -> None:
        """`dispatchd replay EVENT...`, in a process of its own."""
        narrowed = [] if destination is None else ["--destination", destination]
        process = await asyncio.create_subprocess_exec(
            THIS.python,
            *("-m", "dispatchd", "replay", "--yes", "--config", str(self._config), "--json"),
            *narrowed,
            *events,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(THIS.tree)},
            cwd=self._config.parent,
        )
        out, error = await process.communicate()
        self.calls += 1
        if process.returncode == 0:
            self.deliveries += int(json.loads(out)["deliveries"])
        elif process.returncode == 1 and b"Traceback" not in error:
            self.refused.append(error.decode().strip())
        else:
            raise RefusedError(f"replay ended with {process.returncode}: {error.decode()}")

    def _pick(self, *, new: bool) -> str:
        first = max(0, len(self._acked) - NEW_EVENTS) if new else 0
        return self._acked[self._random.randrange(first, len(self._acked))]


async def replayed(store: Store, query: ReplayQuery) -> int:
    """Replay as a job, here or by the daemon, whoever is first; return how many started afresh."""
    job = await store.add_job(query, None, time.time_ns() // 1_000_000)
    while job.open:
        now_ms = time.time_ns() // 1_000_000
        page = await store.choose(job, 500)
        moved = await store.advance(job, page, page.candidates, 0, now_ms)
        if moved is None:
            moved = await store.get_job(job.id)
        if moved is None:
            raise RefusedError(f"job {job.id} is gone")
        job = moved
    return job.replayed
