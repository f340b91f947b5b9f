"""What a reload says and does: two configs, what differs in their words and in their parts."""

import pickle
import subprocess
import sys

import pytest

from dispatchd.config import parse
from dispatchd.plan import Plan
from dispatchd.plan.compiling import compile_plan
from dispatchd.plan.difference import difference, obstacles, same

BASE = """
proxy: http://127.0.0.1:3128
api_keys: [{name: ci, hash: "sha256:HASH"}]
endpoints:
  a:
    secret: s
    rate_limit: 10/s
    destinations: [x, {to: y, transform: '{"a": a}', filter: {body.a: [1, 2]}}]
  b: {auth: none}
destinations:
  x: {url: 'http://h/', headers: {A: long-enough}, forward_headers: ["X-GitHub-*", X-Proof]}
  y: {url: 'http://h/', timeout: 30s, signing_secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}
""".replace("HASH", "0" * 64)


def plan(text: str) -> Plan:
    return pickle.loads(pickle.dumps(compile_plan(parse(text))))


# by name: what to replace, by what, what is said, and which routes and lanes are built anew
TABLE = {
    "nothing": ("", "", [], [], []),
    "a default written out": (", timeout: 30s", "", [], [], []),
    "a secret": ("secret: s", "secret: t", ["changed endpoint a: secret"], ["a"], []),
    "a rate": ("10/s", "11/s", ["changed endpoint a: rate_limit"], ["a"], []),
    "a filter": ("[1, 2]", "[1, 3]", ["changed endpoint a: destinations"], ["a"], []),
    "a transform": ('"a": a', '"a": b', ["changed endpoint a: destinations"], [], ["y"]),
    "an inactive one": (
        "b: {auth: none}",
        "b: {auth: none, active: false}",
        ["changed endpoint b: active"],
        [],
        [],
    ),
    "an endpoint less": ("b: {auth: none}", "", ["removed endpoint b"], [], []),
    "an endpoint more": (
        "b: {auth: none}",
        "b: {auth: none}\n  c: {auth: none}",
        ["added endpoint c"],
        [],
        [],
    ),
    "a header": ("long-enough", "longer", ["changed destination x: headers"], [], ["x"]),
    "a glob": ("X-GitHub-*", "X-Hub-*", ["changed destination x: forward_headers"], [], ["x"]),
    "a proof": ("X-Proof", "X-Other", ["changed destination x: forward_headers"], ["a"], ["x"]),
    "a key": ("PD8ILPZIo2", "PD8ILPZIo3", ["changed destination y: signing_secret"], [], ["y"]),
    "a key of ours": ("name: ci", "name: cd", ["added API key cd", "removed API key ci"], None, []),
    "a proxy": (":3128", ":3129", ["changed proxy"], [], ["x", "y"]),
    "a prefix": ("proxy:", "header_prefix: my\nproxy:", ["changed header_prefix"], [], ["x", "y"]),
    "a section": (
        "proxy:",
        "server: {max_body: 1MiB}\nproxy:",
        ["changed server: max_body"],
        [],
        [],
    ),
}


@pytest.mark.parametrize(("old", "new", "said", "routes", "lanes"), TABLE.values(), ids=TABLE)
def test_what_is_said_and_what_is_done(
    old: str, new: str, said: list[str], routes: list[str] | None, lanes: list[str]
) -> None:
    found = difference(plan(BASE), plan(BASE.replace(old, new) if old else BASE))
    assert [str(change) for change in found.changes] == said
    assert sorted(found.lanes.changed) == lanes
    assert sorted(found.routes.changed) == (["a", "b"] if routes is None else routes)


def test_two_processes_make_the_same_of_the_same() -> None:
    """Sets are in another order in each process."""
    script = (
        "import pickle, sys; from dispatchd.config import parse;"
        "from dispatchd.plan.compiling import compile_plan;"
        "sys.stdout.buffer.write(pickle.dumps(compile_plan(parse(sys.argv[1]))))"
    )
    plans = [
        pickle.loads(
            subprocess.run(
                [sys.executable, "-c", script, BASE],
                env={"PYTHONHASHSEED": seed},
                capture_output=True,
                check=True,
            ).stdout
        )
        for seed in ("1", "2")
    ]
    found = difference(*plans)
    assert (found.changes, found.lanes.changed, found.routes.changed) == ((), (), ())


def test_a_listener_that_moves_and_alerts_that_must_hear_of_it() -> None:
    base = plan(BASE)
    assert difference(base, plan(BASE + "server: {listen: '127.0.0.1:9'}")).moves
    assert not difference(base, plan(BASE.replace("b: {", "c: {"))).alerts
    alerts = BASE.replace("endpoints:", "alerts: [{to: x, on: [disk_low]}]\nendpoints:")
    assert difference(base, plan(alerts)).alerts
    assert difference(plan(alerts), plan(alerts.replace("b: {", "c: {"))).alerts
    assert not difference(plan(alerts), plan(alerts.replace("10/s", "11/s"))).alerts


def test_another_database_needs_a_restart() -> None:
    base = plan(BASE)
    assert obstacles(base, plan(BASE + "storage: {retention: 9d}")) == []
    (problem,) = obstacles(base, plan(BASE + "storage: {url: 'sqlite:///other.db'}"))
    assert problem.startswith("storage.url: needs a restart")


def test_what_is_not_data_is_never_the_same() -> None:
    assert same(len, len)
    assert not same(len, repr)
    assert not same(lambda: 1, lambda: 1)
    assert not same(1, 1.0)
    assert not same(int, str)


def test_no_value_of_a_config_can_be_read_off_what_it_says() -> None:
    said = repr(plan(BASE).written)
    assert "long-enough" not in said
    assert "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" not in said
