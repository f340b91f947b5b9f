"""Commands in the config: what is wrong with one, what is told of one, and that it travels."""

import pickle
from pathlib import Path

import pytest
from configs import problems

from dispatchd.config import parse
from dispatchd.plan.compiling import compile_plan


def destination(keys: str) -> str:
    return "destinations: {d: {type: command, " + keys + "}}\n"


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("run: []", "d.run: must name a program"),
        ("run: /bin/true", "d.run: is no list; there is no shell to part it"),
        ("run: [bin/true]", "d.run: must begin with the program's absolute path"),
        ('run: ["/bin/true", "a\\0b"]', "d.run[1]: holds a NUL"),
        ("run: [true]", "d.run[0]: must be text"),
        ("run: [ls], env: {A-B: x}", "is no variable's name"),
        ("run: [ls], env: {DISPATCH_EVENT_ID: x}", "is ours: DISPATCH_"),
        ("run: [ls], env: {A: '{{ body.x'}", "d.env.A: is not a valid template"),
        (
            "run: [ls], args: ['{{ bdy.x }}']",
            'd.args[0]: is not a valid template: it knows no "bdy"',
        ),
        ("run: [ls], cwd: here", "d.cwd: must be an absolute path"),
        ("run: [ls], timeout: 25h", "d.timeout: must be between 1ms and 24h"),
        ("run: [ls], grace: 6m", "d.grace: must be at most 5m"),
        ("run: [ls], later: 25h", "d.later: must be at most 24h"),
        ("run: [ls], max_in_flight: 65", "d.max_in_flight: must be at most 64"),
        ("run: [ls], url: x", "d.url: unknown key"),
    ],
)
def test_what_is_wrong_is_told_where_it_is(keys: str, expected: str) -> None:
    found = problems(destination(keys))
    assert len(found) == 1, found
    assert expected in found[0]


def test_a_template_is_no_part_of_a_program() -> None:
    plan = compile_plan(parse(destination("run: [echo, '{{ .Names }}'], env: {A: '{ {'}")))
    assert plan.lanes["d"].blanks is None
    assert plan.lanes["d"].max_in_flight == 1


def test_it_travels_and_shows_no_secret() -> None:
    config = parse(
        destination("run: [ls, '${X}'], env: {TOKEN: '${X}', REF: '{{ body.ref }}'}"),
        environ={"X": "hunter2-hunter2"},
    )
    plan = compile_plan(config)
    lane = pickle.loads(pickle.dumps(plan)).lanes["d"]
    assert lane.blanks == plan.lanes["d"].blanks != None  # noqa: E711 - both at once
    assert "hunter2" not in repr(config) + repr(plan) + config.destinations["d"].safe_url
    assert list(config.destinations["d"].secrets()) == ["hunter2-hunter2"]


def test_what_is_not_there_is_a_warning(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch(mode=0o644)

    def warned(keys: str) -> str:
        return " ".join(w for w in parse(destination(keys)).warnings() if "until" in w)

    assert "there is no program no-such-program" in warned("run: [no-such-program]")
    assert f"{plain} is no file that this user can execute" in warned(f"run: ['{plain}']")
    assert f"{plain} is no directory" in warned(f"run: [ls], cwd: '{plain}'")
    assert warned("run: [ls]") == ""


def test_a_template_in_run_stands_as_it_is_and_is_warned_of() -> None:
    """It is handed to the program letter by letter, which looks as if it worked."""
    warned = "destinations.d: run is never a template, so {{ stands as it is; put it in args"
    assert warned in parse(destination("run: [ls, '{{ body.x }}']")).warnings()
    assert warned not in parse(destination("run: [ls], args: ['{{ body.x }}']")).warnings()
