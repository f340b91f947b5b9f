"""A few evaluator processes, started on demand, killed when an evaluation overruns.

One owner's expression has at most one evaluation under way: an expression whose payloads run away
occupies one process, and the others stay free for everyone else.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from dispatchd.expressions.worker import ENGINE_TIMEOUT_MS, ERROR, NOTHING, REPLY, REQUEST

PROCESSES_MAX: Final = 4
# The engine's own bound ends most runaways politely; this one ends the rest.
DEADLINE_S: Final = 5 * ENGINE_TIMEOUT_MS / 1000
START_DEADLINE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Value:
    """What the expression yielded, as JSON."""

    json: bytes


@dataclass(frozen=True, slots=True)
class NoResult:
    """The expression failed, overran or yielded nothing; `reason` is fit for people."""

    reason: str


Result = Value | NoResult


class Expressions:
    """Evaluates JSONata expressions. Nothing is started before the first evaluation."""

    def __init__(
        self, *, processes_max: int = PROCESSES_MAX, spawned: Callable[[int], None] | None = None
    ) -> None:
        self._idle: list[asyncio.subprocess.Process] = []
        self._slots = asyncio.Semaphore(processes_max)
        self._turns: dict[tuple[str, str], asyncio.Lock] = {}
        self._spawned = spawned

    async def evaluate(
        self, expression: str, data: bytes, *, owner: str = "", wait_s: float | None = None
    ) -> Result:
        """Evaluate `expression` over the JSON document `data`. Never raises.

        `owner` has turns of its own, so that one endpoint's payloads keep no other's waiting;
        `wait_s` is how long to wait for a turn, None for as long as it takes.
        """
        turn = self._turns.setdefault((owner, expression), asyncio.Lock())
        try:
            async with asyncio.timeout(wait_s):
                await turn.acquire()
        except TimeoutError:
            return NoResult(f"waited {wait_s:g} s for its turn")
        try:
            return await self._in_turn(expression, data)
        finally:
            turn.release()

    async def _in_turn(self, expression: str, data: bytes) -> Result:
        async with self._slots:
            try:
                process = await self._process()
            except (OSError, TimeoutError) as error:
                return NoResult(f"no process to evaluate it: {error}")
            return await self._evaluate_in(process, expression, data)

    async def close(self) -> None:
        """End the processes."""
        while self._idle:
            await _end(self._idle.pop())

    async def _process(self) -> asyncio.subprocess.Process:
        while self._idle:
            process = self._idle.pop()
            if process.returncode is None:
                return process
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "dispatchd.expressions.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # It needs no secret from our environment, so it is given none.
            env={k: os.environ[k] for k in ("PATH", "PYTHONPATH", "LANG") if k in os.environ},
        )
        try:  # a trivial round trip: a slow start must not count against an evaluation
            async with asyncio.timeout(START_DEADLINE_S):
                await _exchange(process, "1", b"null")
        except BaseException:
            await _end(process)
            raise
        if self._spawned is not None:
            self._spawned(process.pid)
        return process

    async def _evaluate_in(
        self, process: asyncio.subprocess.Process, expression: str, data: bytes
    ) -> Result:
        try:
            async with asyncio.timeout(DEADLINE_S):
                status, payload = await _exchange(process, expression, data)
        except TimeoutError:
            await _end(process)
            return NoResult(f"stopped after {DEADLINE_S:g} s")
        except (OSError, asyncio.IncompleteReadError):
            await _end(process)
            return NoResult("it used too much memory or broke the evaluator")
        except BaseException:  # cancelled in the middle of a frame: the pipe is out of step
            await _end(process)
            raise
        self._idle.append(process)
        if status == ERROR:
            return NoResult(payload.decode("utf-8", "replace"))
        if status == NOTHING:
            return NoResult("it yielded nothing")
        return Value(payload)


async def _exchange(
    process: asyncio.subprocess.Process, expression: str, data: bytes
) -> tuple[int, bytes]:
    if process.stdin is None or process.stdout is None:
        raise OSError("the evaluator has no pipes")
    code = expression.encode()
    process.stdin.write(REQUEST.pack(len(code), len(data)) + code + data)
    await process.stdin.drain()
    status, length = REPLY.unpack(await process.stdout.readexactly(REPLY.size))
    return status, await process.stdout.readexactly(length)


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
