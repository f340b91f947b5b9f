"""The evaluator with real processes: whose fault an end is, and whom a runaway delays."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from patience import HANG_S

from dispatchd.evaluate.evaluator import Evaluator, Fault, NoResult, Result, Value

RUNAWAY = "$count($distinct([1..n]))"  # over {"n": 200000}: half a second and far more
SLOW, QUICK = b'{"n":200000}', b'{"n":3}'


class Bench:
    """An evaluator and the pids of its processes, in the order in which they started."""

    def __init__(self) -> None:
        self.pids: list[int] = []
        self.make()

    def make(self, **bounds: float) -> Evaluator:
        bounds = {"deadline_s": HANG_S, **bounds}  # processor time has a bound of its own
        self.evaluator = Evaluator(spawned=self.pids.append, **bounds)  # type: ignore[arg-type]
        return self.evaluator

    async def ask(self, expression: str, document: bytes = b"{}", owner: str = "a") -> Result:
        return await self.evaluator.evaluate(expression, document, owner=owner)

    async def under_way(
        self, expression: str, document: bytes, owner: str = "a"
    ) -> asyncio.Task[Result]:
        """Start an evaluation in the idle process; return once the process has it."""
        assert self.evaluator._idle
        task = asyncio.create_task(self.ask(expression, document, owner))
        async with asyncio.timeout(HANG_S):
            while self.evaluator._idle:
                await asyncio.sleep(0)
        return task


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    await made.evaluator.close()
    for pid in made.pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_ten_thousand_elements_fit_where_198_did_not(bench: Bench) -> None:
    items = [{"sku": f"s{n}", "price": 2, "quantity": n} for n in range(10_000)]
    expression = '$map(line_items, function($l){{"sku": $l.sku, "total": $l.price * $l.quantity}})'
    result = await bench.ask(expression, json.dumps({"line_items": items}).encode())
    assert isinstance(result, Value)
    assert json.loads(result.json)[9_999] == {"sku": "s9999", "total": 19_998}


async def test_bindings_are_the_expressions_variables(bench: Bench) -> None:
    result = await bench.evaluator.evaluate(
        "$event_type & $headers.x & $endpoint & body",
        b'{"body":"b"}',
        owner="a",
        bindings=b'{"event_type":"push","headers":{"x":"y"},"endpoint":"e"}',
    )
    assert result == Value(b'"pushyeb"')
    assert await bench.ask("$event_type") == NoResult("it yielded nothing")


@pytest.mark.parametrize(
    ("document", "result"),
    [
        (b'{"a":"\\ud800"}', Value(b'"\xef\xbf\xbd"')),
        (b'{"\\udfff":1,"a":2}', Value(b"2")),
        (b'{"a":1e999}', Value(b"1.7976931348623157e+308")),
        (b'{"a":-1e999}', Value(b"-1.7976931348623157e+308")),
        (b'{"a":123456789012345678901234567890}', Value(b"1.2345678901234568e+29")),
        (b'{"a":9007199254740991}', Value(b"9007199254740991")),
        (b'{"a":1,"a":2}', Value(b"2")),
        (b'{"a":null}', Value(b"null")),
        (b'{"a":1.0}', Value(b"1")),
        (b'{"a":' + b"[" * 900 + b"]" * 900 + b"}", Value(b"[" * 900 + b"]" * 900)),
        (b'{"a":' + b"[" * 9000 + b"]" * 9000 + b"}", NoResult("nested too deeply")),
        (b"", NoResult("the input is not JSON")),
        (b"a=1", NoResult("the input is not JSON")),
        (b"\xff", NoResult("the input is not JSON")),
        (b'{"a":NaN}', NoResult("the input is not JSON")),
        (b'{"a":1}{}', NoResult("the input is not JSON")),
    ],
)
async def test_what_json_allows_is_evaluated(bench: Bench, document: bytes, result: Result) -> None:
    assert await bench.ask("a", document) == result
    assert len(bench.pids) == 1
    assert await bench.ask("1") == Value(b"1")
    assert len(bench.pids) == 1  # the process was not harmed


@pytest.mark.parametrize(
    "expression",
    [
        "( $f := function($n){1 + $f($n)}; $f(1) )",
        "( $f := function($n){[$g($n)]}; $g := function($n){{'a': $f($n)}}; $f(1) )",
        "$reduce([1..20000], function($a, $b){{'a': $a}}, 1)",
        "(" * 5000 + "1" + ")" * 5000,
        "( $f := function(){$eval('$f()')}; $f() )",
        "( $d := function($s){$d($s & $s)}; $d('xxxxxxxx') )",
        "[1..2000000]",
        "a.",
        "\ud800",
    ],
)
async def test_what_is_too_deep_or_too_large_ends_cleanly(bench: Bench, expression: str) -> None:
    assert isinstance(await bench.ask(expression), NoResult)
    assert await bench.ask("1") == Value(b"1")
    assert len(bench.pids) == 1


@pytest.mark.parametrize(
    "expression",
    [
        "( $f := function(){$f()}; $f() )",
        "$count($distinct([1..200000]))",
        "[1..5000000]",
        "$count([1..10000000])",  # 300 MiB and more
        "$formatNumber(1, '0.' & $pad('', 1000000, '0'))",  # the engine panics
        "( $r := [1..4000]; $count($r.($r.($r))) )",
    ],
)
async def test_a_runaway_is_the_expressions_fault(bench: Bench, expression: str) -> None:
    """Also where no bound of the engine ends it, but the end of its process."""
    assert isinstance(await bench.ask(expression), NoResult)
    assert await bench.ask("1") == Value(b"1")


async def test_a_runaway_says_what_it_used(bench: Bench) -> None:
    assert await bench.ask(RUNAWAY, SLOW) == NoResult("it used more than 500 ms of processor time")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGUSR1])
async def test_a_process_ended_from_outside_is_our_fault(
    bench: Bench, number: signal.Signals
) -> None:
    """By a person, or by a machine out of memory."""
    await bench.ask("1")
    task = await bench.under_way(RUNAWAY, SLOW)
    os.kill(bench.pids[0], number)
    assert await task == Fault("its process was ended from outside")
    assert await bench.ask("1") == Value(b"1")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_what_ends_the_daemon_ends_no_evaluation(
    bench: Bench, number: signal.Signals
) -> None:
    """systemd and Ctrl-C tell the whole group; the drain still has bodies to transform."""
    await bench.ask("1")
    task = await bench.under_way("1 + 1", b"{}")
    os.kill(bench.pids[0], number)
    assert await task == Value(b"2")
    assert await bench.ask("1") == Value(b"1")
    assert len(bench.pids) == 1


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS])
async def test_a_crash_is_the_expressions_fault(bench: Bench, number: signal.Signals) -> None:
    await bench.ask("1")
    task = await bench.under_way(RUNAWAY, SLOW)
    os.kill(bench.pids[0], number)
    assert await task == NoResult("it used too much memory or broke the evaluator")
    assert await bench.ask("1") == Value(b"1")


async def test_a_stopped_process_is_our_fault(bench: Bench) -> None:
    assert await bench.ask("1") == Value(b"1")
    os.kill(bench.pids[0], signal.SIGSTOP)
    bench.evaluator._deadline_s = 0.2
    assert await bench.ask("1") == Fault("its process came to no end within 0.2 s")
    bench.evaluator._deadline_s = HANG_S
    assert await bench.ask("1") == Value(b"1")


async def test_a_pause_uses_up_no_expressions_time(bench: Bench) -> None:
    """As when the machine is suspended: the wall clock goes on, the processor time does not."""
    await bench.ask("1")
    os.kill(bench.pids[0], signal.SIGSTOP)
    paused = await bench.under_way("1 + 1", b"{}")
    assert isinstance(await bench.ask(RUNAWAY, SLOW, "b"), NoResult)  # half a second at least
    os.kill(bench.pids[0], signal.SIGCONT)
    assert await paused == Value(b"2")


async def test_a_process_that_died_idle_is_nobodys_fault(bench: Bench) -> None:
    await bench.ask("1")
    process = bench.evaluator._idle[0]
    process.kill()
    await process.wait()
    assert await bench.ask("1") == Value(b"1")


@pytest.mark.parametrize("program", ["/bin/false", "/bin/echo", "/nonexistent", "/"])
async def test_a_process_that_dies_at_its_start_is_our_fault(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("sys.executable", program)
        result = await bench.ask("1")
    assert isinstance(result, Fault)
    assert result.reason.startswith("no process to evaluate it: ")
    assert await bench.ask("1") == Value(b"1")


async def test_no_turn_in_time_is_our_fault(bench: Bench) -> None:
    await bench.ask("1")
    running = await bench.under_way(RUNAWAY, SLOW)
    late = await bench.evaluator.evaluate("1", b"{}", owner="a", wait_s=0.01)
    assert late == Fault("no result within 0.01 s")
    assert isinstance(await running, NoResult)


async def test_a_cancelled_evaluation_leaves_no_reply_to_the_next(bench: Bench) -> None:
    await bench.ask("1")
    task = await bench.under_way('"mine"', b"{}")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await bench.ask('"another"') == Value(b'"another"')


async def test_two_links_with_one_expression_wait_for_each_other_in_nothing(bench: Bench) -> None:
    """They shared a slot: the runaways of one delayed the other by seconds."""
    held = [asyncio.create_task(bench.ask(RUNAWAY, SLOW, "a→x")) for _ in range(3)]
    assert await bench.ask(RUNAWAY, QUICK, "a→y") == Value(b"3")
    assert sum(task.done() for task in held) < len(held)
    assert {type(result) for result in await asyncio.gather(*held)} == {NoResult}


async def test_owners_that_ran_away_share_one_process(bench: Bench) -> None:
    bench.make(processes_max=2)
    owners = ("a", "b", "c")
    await asyncio.gather(*(bench.ask(RUNAWAY, SLOW, owner) for owner in owners))
    again = [asyncio.create_task(bench.ask(RUNAWAY, SLOW, owner)) for owner in owners]
    assert await bench.ask("1", owner="innocent") == Value(b"1")
    assert not any(task.done() for task in again[1:])
    await asyncio.gather(*again)
    assert await bench.ask("1", owner="a") == Value(b"1")
    assert bench.evaluator._runaways == {"b", "c"}  # one good end, and it is like all others


async def test_a_process_that_grew_is_replaced(bench: Bench) -> None:
    large = b'{"a":"' + b"x" * 60_000_000 + b'"}'  # much to hold, little to do
    for _ in range(10):  # on a machine that is too slow for it, the process ends for that
        await bench.ask("1")
        before = len(bench.pids)
        if (result := await bench.ask("$count(a)", large)) == Value(b"1"):
            break
    assert result == Value(b"1")
    assert await bench.ask("1") == Value(b"1")
    assert len(bench.pids) == before + 1


async def test_more_than_memory_holds_is_the_documents_fault(bench: Bench) -> None:
    assert isinstance(await bench.ask("1", b'"' + b"x" * 200_000_000 + b'"'), NoResult)


async def test_closing_ends_what_is_under_way(bench: Bench) -> None:
    await bench.ask("1")
    task = await bench.under_way(RUNAWAY, SLOW)
    await bench.evaluator.close()
    assert isinstance(await task, Fault)
    assert await bench.ask("1") == Fault("no process to evaluate it: shutting down")


async def test_the_daemons_secrets_are_not_the_processes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_SECRET", "hunter2")
    await bench.ask("1")
    proc = Path(f"/proc/{bench.pids[0]}")
    assert b"hunter2" not in (proc / "environ").read_bytes()
    assert (proc / "oom_score_adj").read_bytes().strip() == b"1000"
