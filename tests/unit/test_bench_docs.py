"""bench/README.md says what the benchmarks do, and a figure means what its word says."""

import ast
import importlib
import re
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"
TEXT = (BENCH / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^python bench/(\w+)\.py", TEXT, flags=re.MULTILINE)


@pytest.fixture
def bench(monkeypatch):
    """Import a benchmark's module by name, and forget them all afterwards."""
    monkeypatch.syspath_prepend(str(BENCH))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if (BENCH / f"{name}.py").exists():
            del sys.modules[name]


def table(after: str) -> list[list[str]]:
    """The cells of the first table after a line of text, without its head."""
    rows = re.search(r"(?:^\|.*\n)+", TEXT[TEXT.index(after) :], flags=re.MULTILINE)[0]
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows.splitlines()[2:]]


def options(script: str) -> set[str]:
    """Every option that a script, or the parser it shares, adds."""
    tree = ast.parse((BENCH / f"{script}.py").read_text(encoding="utf-8"))
    return {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "add_argument"
    }


def test_the_commands_are_the_scripts(bench):
    runner = bench("run_all")
    assert [*runner.SCRIPTS, "run_all"] == COMMANDS
    mains = {
        path.stem
        for path in BENCH.glob("*.py")
        if "finish(main)" in path.read_text(encoding="utf-8")
    }
    assert mains == set(runner.SCRIPTS)


def test_the_options_are_those_that_exist():
    documented = {
        option for row in table("Options:") for option in re.findall(r"--[a-z-]+", row[0])
    }
    existing = set().union(*map(options, ["options", *COMMANDS]))
    assert documented == existing - {"--quick"}
    assert "`run_all.py --quick`" in TEXT


def test_the_results_are_of_every_figure_and_its_bound(bench):
    figures = bench("figures").FIGURES
    assert [row[:2] for row in table("<!-- results: begin -->")] == [
        [figure.name, figure.must] for figure in figures
    ]
    assert {figure.script for figure in figures} == set(bench("run_all").SCRIPTS)
    assert "Thirty-six figures, thirteen commands" in TEXT
    assert (len(figures), len(bench("run_all").SCRIPTS)) == (36, 13)


def test_every_figure_is_judged_by_its_script(bench):
    figures = bench("figures")
    for constant, figure in vars(figures).items():
        if isinstance(figure, figures.Figure):
            source = (BENCH / f"{figure.script}.py").read_text(encoding="utf-8")
            assert re.search(rf"judge\({constant},|partial\(compare_rounds, {constant},", source)


def test_the_method_has_the_numbers_of_the_code(bench):
    load, figures = bench("load"), bench("figures")
    assert f"{load.CONNECTIONS} kept connections: {load.BODIES}" in TEXT
    assert {len(body) for body in load.bodies()} == {1024}
    assert len(set(load.bodies())) == load.BODIES
    assert f"above {load.SATURATED * 100:g} %" in TEXT
    assert "more than a quarter" in TEXT
    assert figures.MAX_SPREAD == 1.25
    quiet = bench_constants("quiet")
    assert f"more than {quiet['MAX_OTHERS'] * 100:g} % of a core to `others`" in TEXT
    assert f"more than {quiet['MAX_STOLEN'] * 100:g} % of either core `stolen`" in TEXT
    assert f"`asyncio.Queue` ({bench_constants('ceiling')['QUEUE_EVENTS']})" in TEXT
    assert f"{bench_constants('end_to_end')['MAX_IN_FLIGHT']} workers" in TEXT


def test_the_methods_of_their_own_have_the_numbers_of_the_code():
    unsteady, memory = bench_constants("unsteady"), bench_constants("memory")
    once, stall, against = map(bench_constants, ("exactly_once", "stall", "against"))
    prober = bench_constants("prober")
    assert f"{memory['RATE']:g} events/s more" in TEXT
    assert f"every {prober['EVERY_S'] * 1000:g} ms" in TEXT
    assert f"over {stall['QUIET_MAX_MS']:g} ms the machine" in TEXT
    assert f"within {stall['HONEST_S']:g} s" in TEXT
    assert once["BURSTS"] == {1: 1_000, 5: 5_000, 50: 60_000}
    text = " ".join(TEXT.split())
    assert "bursts 1, 5 or 50 events" in text
    assert "most 1,000, 5,000 or 60,000 deliveries" in text
    assert f"answers {once['STATED_FAILING']:.0%}".replace("%", " %") in text
    assert f"{unsteady['LATE'] * 100:g} % late, by up to {unsteady['LATE_S']:g} s" in text
    assert f"median of {against['KILLS'] * 3}" in text
    assert f"follows its stream or {bench_constants('live')['FOLLOWERS']} do" in text
    pruning = bench_constants("pruning")
    assert f"{pruning['STATED_RATE']:g} events/s, open loop, each" in text
    assert f"events {pruning['OLD_DAYS']} days old" in text
    isolation = bench_constants("isolation")
    assert f"sends {isolation['STATED_RATE']:g} events/s, open loop" in text
    assert f"within {isolation['IN_TIME_S']:g} s of the last answer" in text
    assert f"{isolation['IDLE']:,} destinations and nothing" in text
    assert f"for {isolation['IDLE_TIMES'] * isolation['STATED_S']:g} s" in text
    assert f"holds {isolation['STATED_DELIVERIES']:,} deliveries" in text


def bench_constants(script: str) -> dict[str, object]:
    """The literals a module names; read, for importing it would want its packages."""
    tree = ast.parse((BENCH / f"{script}.py").read_text(encoding="utf-8"))
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant | ast.Dict)
    }


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([3, 1, 2], 0.5, 2),
        ([1, 2, 3, 4, 5, 6], 0.5, 3),
        (range(1, 101), 0.99, 99),
        (range(1, 301), 0.99, 297),
        ([7], 0.99, 7),
        ([1, 2, 3, 4, 5], 0.5, 3),
        (range(1, 152), 0.99, 150),
    ],
)
def test_a_percentile_is_the_nearest_rank(bench, values, share, expected):
    assert bench("machine").percentile(values, share) == expected


def test_a_figure_is_ok_at_its_bound_and_void_with_a_doubt(bench):
    figures = bench("figures")
    at_least, at_most = figures.INGEST, figures.ACCEPTED_P99
    assert figures.judge(at_least, 0.40).startswith("ok ")
    assert figures.judge(at_least, 0.399).startswith("MISS ")
    assert figures.judge(at_most, 10).startswith("ok ")
    assert figures.judge(at_most, 10.1).startswith("MISS ")
    for value in (0.1, 0.9):
        assert figures.judge(at_least, value, ["a doubt"]).startswith("VOID ")


def test_rounds_that_make_no_result_are_doubted(bench):
    figures = bench("figures")
    assert figures.rounds_doubts([0.5, 0.5, 0.6], disturbed=1) == []
    assert figures.rounds_doubts([0.5, 0.5, 0.5], disturbed=2)
    assert figures.rounds_doubts([0.4, 0.5, 0.6], disturbed=0)
    assert figures.sides_doubts(figures.FLOOD_P99, [0.5, 1.9], disturbed=0) == []
    assert figures.sides_doubts(figures.FLOOD_P99, [0.5, 2.1], disturbed=0)
    assert figures.sides_doubts(figures.FLOOD_P99, [0.5, 1.9], disturbed=1)
    assert figures.ceiling_doubts([0.5, 9.15])
    assert figures.ceiling_doubts([0.5, 0.6]) == []


def test_theft_from_both_sides_alike_leaves_a_ratio(bench):
    quiet = bench("quiet")
    assert not quiet.uneven(quiet.Watch(stolen=0.30), quiet.Watch(stolen=0.28))
    assert quiet.uneven(quiet.Watch(stolen=0.30), quiet.Watch(stolen=0.20))
    assert quiet.uneven(quiet.Watch(others=0.2), quiet.Watch(others=0.2))
    assert quiet.Watch(stolen=0.30).disturbed


def test_slices_are_one_measurement(bench):
    load = bench("load")
    one = load.Outcome([load.Acked("a", 0, 0, 0)], started=10, ended=11, cpu_share=0.2)
    two = load.Outcome([load.Acked("b", 0, 0, 0)] * 3, started=20, ended=21, cpu_share=0.4)
    whole = load.merged([one, two])
    assert whole.rate == 2
    assert whole.cpu_share == pytest.approx(0.3)


def test_an_event_acknowledged_twice_gives_no_figure(bench):
    load, machine = bench("load"), bench("machine")
    acked = [load.Acked(one, 0.0, 0.0, 0.0) for one in "ab"]
    load.Outcome(acked).require_clean()
    with pytest.raises(machine.RefusedError, match="1 answers named an event"):
        load.Outcome([*acked, acked[0]]).require_clean()
    with pytest.raises(machine.RefusedError, match="other than 202"):
        load.Outcome(acked, {503: 1}).require_clean()
    with pytest.raises(machine.RefusedError, match="nothing"):
        load.Outcome().require_clean()


def test_the_table_of_a_run_says_what_was_void_and_what_is_missing(bench):
    figures, runner = bench("figures"), bench("run_all")
    printed = "\n".join(
        [
            figures.judge(figures.INGEST, 0.43),
            figures.judge(figures.ACCEPTED_P99, 12.3),
            figures.judge(figures.END_TO_END, 0.6, ["1 of 1 rounds were disturbed"]),
        ]
    )
    text = runner.table(runner.measured(printed))
    assert "| durable ingest / bare handler | >= 0.4 | 0.43 |" in text
    assert "| 202 at 500 events/s, p99 | <= 10 ms | 12.3 ms MISS |" in text
    assert "| end to end / bare relay | >= 0.5 | 0.6 VOID |" in text
    assert text.count("none: see below") == len(figures.FIGURES) - 3
    without = runner.table(runner.measured(printed), runner.SCRIPTS[:-1])
    compared = [figure for figure in figures.FIGURES if figure.script == "against"]
    assert without.count("none: it wants --base") == len(compared)


ACKED = {b"event"}


def ledger_of(bench, *, requests=((1, 200),)):
    """One event to one lane, and what the sink answered to each request: (number, status)."""
    ledger = bench("ledger").Ledger(1)
    for number, status in requests:
        ledger.begin(b"event", 0, number)
        ledger.end(b"event", 0, status)
    return ledger


def row(bench, **changed):
    whole = {
        "event": b"event",
        "lane": 0,
        "status": "success",
        "attempts": 1,
        "replays": 0,
        "tries": 1,
        "last": 1,
        "successes": 1,
        "ended_well": True,
    }
    return bench("ledger").Row(**{**whole, **changed})


def test_a_ledger_of_what_held_has_no_problems(bench):
    twice = {"attempts": 2, "tries": 2, "last": 2}
    assert not ledger_of(bench).problems(ACKED, 1, [row(bench)])
    retried = ledger_of(bench, requests=[(1, 500), (2, 200)])
    assert not retried.problems(ACKED, 1, [row(bench, **twice)])
    again = ledger_of(bench, requests=[(1, 200), (2, 200)])
    assert not again.problems(ACKED, 1, [row(bench, **twice, successes=2, replays=1)])


@pytest.mark.parametrize(
    ("requests", "changed", "problem"),
    [
        ([(1, 500)], {"status": "retrying", "successes": 0, "ended_well": False}, "stranded"),
        ([(1, 500)], {"status": "failed", "successes": 0, "ended_well": False}, "failed for good"),
        ([(1, 500)], {"successes": 0}, "never delivered, and called a success"),
        ([(1, 200)], {"ended_well": False}, "a success whose last attempt was none"),
        (
            [(1, 200), (2, 200)],
            {"attempts": 2, "tries": 2, "last": 2, "successes": 2},
            "doubled",
        ),
        ([(1, 500), (1, 200)], {}, "attempts sent with another's number"),
        ([(1, 500), (2, 200)], {}, "requests that are not the attempts on disk"),
        ([(1, 200)], {"successes": 0}, "200s that are not the successes on disk"),
        ([(1, 200)], {"attempts": 2}, "attempts with a gap in their numbers"),
    ],
)
def test_a_ledger_tells_each_broken_promise(bench, requests, changed, problem):
    ledger = ledger_of(bench, requests=requests)
    assert ledger.problems(ACKED, 1, [row(bench, **changed)])[problem] == 1


def test_a_ledger_tells_what_is_missing_or_too_much(bench):
    ledger = ledger_of(bench)
    assert ledger.problems({b"event", b"other"}, 2, [row(bench)]) == {
        "acknowledged events that are not on disk": 1,
        "deliveries too few or too many on disk": 1,
    }
    assert ledger.problems(set(), 1, [row(bench)]) == {
        "events on disk that nobody was told of": 1,
        "events at the sink that nobody was told of": 1,
    }
    ledger.begin(b"event", 0, 2)
    ledger.begin(b"event", 0, 3)
    assert ledger.seen == {"deliveries sent twice at once": 1}
