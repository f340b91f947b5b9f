"""A few evaluator processes, started on demand, ended when an evaluation overruns.

One owner has at most one evaluation under way, and the owners whose last one ran away share one
process: payloads that run away leave the other processes free for everyone else.

Whose fault: what the engine says, and what an evaluation does to its process (all of its time or
memory used up, a crash), is the expression's; everything else that ends or delays one is ours.
"""

import asyncio
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from time import perf_counter
from typing import Final, NamedTuple

from dispatchd.children import end_child, start_child
from dispatchd.evaluate.frames import (
    CPU_MAX_MS,
    ERROR,
    EXIT_BROKEN,
    JSONATA,
    NOTHING,
    REPLY,
    REQUEST,
)
from dispatchd.frozen import frozen

PROCESSES_MAX: Final = 4
# Wall time, for an evaluation that is given at most CPU_MAX_MS of a processor.
DEADLINE_S: Final = 20 * CPU_MAX_MS / 1000
START_DEADLINE_S: Final = 10.0
DEATH_DEADLINE_S: Final = 1.0  # from a closed pipe to an exit status


@frozen
class Value:
    """What the expression yielded, as JSON."""

    json: bytes


@frozen
class NoResult:
    """The expression's own fault: an error, nothing, too much; `reason` is fit for people.

    Evaluating it over the same document again would end the same way.
    """

    reason: str


@frozen
class Fault:
    """Ours: no process, no turn, or one that was ended from outside. Worth another try."""

    reason: str


Result = Value | NoResult | Fault

_OUT_OF_TIME: Final = NoResult(f"it used more than {CPU_MAX_MS} ms of processor time")
_BROKEN: Final = NoResult("it used too much memory or broke the evaluator")
_RAN_AWAY: Final = (_OUT_OF_TIME, _BROKEN)
# How a process ends by what it does itself; SIGKILL comes from outside.
_ENDINGS: Final = {
    EXIT_BROKEN: _BROKEN,
    -signal.SIGPROF: _OUT_OF_TIME,
    **dict.fromkeys(
        (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS, -signal.SIGILL, -signal.SIGFPE), _BROKEN
    ),
}


class Evaluations:
    """How many evaluations ended how, and the seconds that they took, waiting included."""

    __slots__ = ("counts", "total_s")

    def __init__(self) -> None:
        self.counts: dict[str, int] = {"value": 0, "no_result": 0, "fault": 0}
        self.total_s = 0.0

    def count(self, result: Result, seconds: float) -> None:
        """Count one that ended."""
        word = {Value: "value", NoResult: "no_result", Fault: "fault"}[type(result)]
        self.counts[word] += 1
        self.total_s += seconds


class _Job(NamedTuple):
    """What a process is asked."""

    kind: int
    expression: str
    bindings: bytes
    document: bytes


_TRIVIAL: Final = _Job(JSONATA, "1", b"", b"null")


class _Gone(Exception):  # noqa: N818 - an event, not an error of ours
    """The process closed its end of the pipe."""


class Evaluator:
    """Evaluates expressions and templates. Nothing is started before the first evaluation.

    `deadline_s` is the wall time for each, and `spawned` is told the pid of each process that
    has started.
    """

    def __init__(
        self,
        *,
        processes_max: int = PROCESSES_MAX,
        deadline_s: float = DEADLINE_S,
        spawned: Callable[[int], None] | None = None,
    ) -> None:
        self._processes: set[asyncio.subprocess.Process] = set()
        self._idle: list[asyncio.subprocess.Process] = []
        self._deadline_s = deadline_s
        self._slots = asyncio.Semaphore(processes_max)
        self._turns: dict[str, asyncio.Lock] = {}  # by owner: as many as the config has
        self._runaways: set[str] = set()
        self._runaways_turn = asyncio.Lock()
        self._spawned = spawned
        self._closed = False
        self.evaluations = Evaluations()

    async def evaluate(
        self,
        expression: str,
        document: bytes,
        *,
        owner: str,
        bindings: bytes | None = None,
        wait_s: float | None = None,
        kind: int = JSONATA,
    ) -> Result:
        """Evaluate `expression` over the JSON `document`. Never raises.

        The members of `bindings`, a JSON object, are the expression's variables. `kind` says
        what it is: JSONATA, or TEMPLATE for a `template_source`. `owner` has
        turns of its own, so that its payloads keep no other's waiting. `wait_s` is how long this
        may take in all, None for as long as its turn takes to come.
        """
        began_s = perf_counter()
        result: Result
        try:
            async with asyncio.timeout(wait_s):
                job = _Job(kind, expression, bindings or b"", document)
                result = await self._in_turn(job, owner)
        except TimeoutError:
            result = Fault(f"no result within {wait_s:g} s")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no fault of the expression
            result = Fault(f"the evaluator failed: {type(error).__name__}")
        self.evaluations.count(result, perf_counter() - began_s)
        return result

    async def _in_turn(self, job: _Job, owner: str) -> Result:
        async with AsyncExitStack() as held:
            await held.enter_async_context(self._turns.setdefault(owner, asyncio.Lock()))
            if owner in self._runaways:
                await held.enter_async_context(self._runaways_turn)
            await held.enter_async_context(self._slots)
            result = await self._in_process(job)
            if result in _RAN_AWAY:
                self._runaways.add(owner)
            else:
                self._runaways.discard(owner)
            return result

    async def close(self) -> None:
        """End the processes; what is under way ends with a Fault."""
        self._closed = True
        self._idle.clear()
        for process in list(self._processes):
            await self._end(process)

    async def _in_process(self, job: _Job) -> Result:
        try:
            process = await self._process()
        except (OSError, TimeoutError, _Gone) as error:
            return Fault(f"no process to evaluate it: {error or type(error).__name__}")
        try:
            async with asyncio.timeout(self._deadline_s):
                status, ends, payload = await _exchange(process, job)
        except TimeoutError:
            await self._end(process)
            return Fault(f"its process came to no end within {self._deadline_s:g} s")
        except _Gone:
            return await self._post_mortem(process)
        except BaseException:  # cancelled in the middle of a frame: the pipe is out of step
            await self._end(process)
            raise
        if ends:
            await self._end(process)
        else:
            self._idle.append(process)
        if status == ERROR:
            return NoResult(payload.decode("utf-8", "replace"))
        if status == NOTHING:
            return NoResult("it yielded nothing")
        return Value(payload)

    async def _process(self) -> asyncio.subprocess.Process:
        """Return an idle process or a new one. Raises OSError, TimeoutError or _Gone."""
        if self._closed:
            raise OSError("shutting down")
        while self._idle:
            process = self._idle.pop()
            if process.returncode is None and process.stdout and not process.stdout.at_eof():
                return process
            await self._end(process)
        process = await start_child("dispatchd.evaluate.worker")
        self._processes.add(process)
        try:  # a trivial round trip: a slow start must not count against an evaluation
            async with asyncio.timeout(START_DEADLINE_S):
                await _exchange(process, _TRIVIAL)
        except BaseException:
            await self._end(process)
            raise
        if self._spawned is not None:
            self._spawned(process.pid)
        return process

    async def _post_mortem(self, process: asyncio.subprocess.Process) -> Result:
        """Say whose fault it is that the process is gone."""
        with suppress(TimeoutError):
            async with asyncio.timeout(DEATH_DEADLINE_S):
                await process.wait()
        ended = process.returncode
        await self._end(process)
        ending = None if ended is None else _ENDINGS.get(ended)
        return ending or Fault("its process was ended from outside")

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        self._processes.discard(process)
        await end_child(process)


async def _exchange(process: asyncio.subprocess.Process, job: _Job) -> tuple[int, bool, bytes]:
    """Send a request and return the reply. Raises _Gone."""
    if process.stdin is None or process.stdout is None:
        raise OSError("the evaluator has no pipes")
    code = job.expression.encode("utf-8", "replace")
    header = REQUEST.pack(job.kind, len(code), len(job.bindings), len(job.document))
    process.stdin.writelines((header, code, job.bindings, job.document))
    try:
        await process.stdin.drain()
        status, ends, length = REPLY.unpack(await process.stdout.readexactly(REPLY.size))
        return status, ends, await process.stdout.readexactly(length)
    except (OSError, asyncio.IncompleteReadError) as error:
        raise _Gone("it died") from error
