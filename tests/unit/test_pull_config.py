"""Queues and their keys in the config: what is wrong with one, and what becomes of a good one."""

import pickle
import re
from pathlib import Path

import pytest
from configs import problems

from dispatchd.config import Config, parse
from dispatchd.plan.compiling import compile_plan

ADMIN = "admin: {token: a-long-admin-token}\n"
HASH = "sha256:" + "ab" * 32
OTHER_HASH = "sha256:" + "cd" * 32
QUEUE = "destinations: {jobs: {type: pull}, crm: {url: 'http://h/'}}\n"
DOCS = (Path(__file__).parents[2] / "docs" / "pull.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("url: http://h/", "d.url: unknown key"),
        ("timeout: 5s", "d.timeout: unknown key"),
        ("max_in_flight: 2", "d.max_in_flight: unknown key"),
        ("breaker: {}", "d.breaker: unknown key"),
        ("rate_limit: 1/s", "d.rate_limit: unknown key"),
        ("retry: {give_up_on: [404]}", "d: consumers answer with no status: remove `retry.give"),
        ("on_failed: hold", "d: `on_failed: hold` holds what is behind it"),
    ],
)
def test_what_is_of_sending_is_refused(keys: str, expected: str) -> None:
    (problem,) = problems(ADMIN + "destinations: {d: {type: pull, " + keys + "}}")
    assert f"destinations.{expected}" in problem


def test_a_queue_needs_the_admin_listener() -> None:
    (problem,) = problems(QUEUE)
    assert (
        "destinations.jobs.type: is claimed from over the admin listener, and there is" in problem
    )
    assert "add admin: {listen: 127.0.0.1:8081" in problem


@pytest.mark.parametrize(
    ("queue", "expected"),
    [
        ("jbs", 'api_keys[0].pull: unknown queue "jbs"; did you mean "jobs"?'),
        ("crm", 'api_keys[0].pull: "crm" is no queue; name a destination of type: pull'),
        ("5", "api_keys[0].pull: must be text"),
        ("", "api_keys[0].pull: has no value"),
    ],
)
def test_a_key_is_of_a_queue_that_there_is(queue: str, expected: str) -> None:
    (problem,) = problems(f"{ADMIN}{QUEUE}api_keys: [{{name: a, hash: '{HASH}', pull: {queue}}}]")
    assert expected in problem


def test_a_key_opens_one_thing() -> None:
    same = "sha256:" + "AB" * 32
    keys = f"[{{name: a, hash: '{HASH}'}}, {{name: b, hash: '{same}', pull: jobs}}]"
    (problem,) = problems(f"{ADMIN}{QUEUE}api_keys: {keys}")
    assert "api_keys[1].hash: is that of api_keys[0] too" in problem


def test_a_key_of_a_queue_proves_no_sender() -> None:
    key = f"api_keys: [{{name: a, hash: '{HASH}', pull: jobs}}]\n"
    (problem,) = problems(f"{ADMIN}{QUEUE}{key}endpoints: {{a: {{destinations: [jobs]}}}}")
    assert "endpoints.a: has no secret, and all api_keys are of queues" in problem
    both = key.replace("]", f", {{name: b, hash: '{OTHER_HASH}'}}]")
    plan = compile_plan(parse(f"{ADMIN}{QUEUE}{both}endpoints: {{a: {{destinations: [jobs]}}}}"))
    assert [one.name for one in plan.routes["a"].auth.api_keys] == ["b"]
    assert plan.admin is not None
    assert [(one.name, one.queue) for one in plan.admin.queue_keys] == [("a", "jobs")]


def test_without_a_token_a_key_is_for_nothing_and_that_is_said() -> None:
    key = f"api_keys: [{{name: a, hash: '{HASH}', pull: jobs}}]\n"
    said = parse(f"admin: {{}}\n{QUEUE}{key}").warnings()
    assert any("no queue's key is asked for" in one for one in said)
    assert not any("queue's key" in one for one in parse(f"{ADMIN}{QUEUE}{key}").warnings())


def test_templates_are_never_applied() -> None:
    (problem,) = problems(
        f"{ADMIN}{QUEUE}templates: {{t: {{default: {{title: x}}}}}}\n"
        "endpoints: {a: {auth: none, destinations: [{to: jobs, template: t}]}}"
    )
    assert "templates are never applied to pull destinations" in problem


def test_a_queue_travels() -> None:
    """The plan is made in another process."""
    plan = compile_plan(parse(ADMIN + QUEUE))
    again = pickle.loads(pickle.dumps(plan)).lanes["jobs"]
    assert (again.courier, again.type, again.url, again.gap_s) == (None, "pull", "", None)


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL))
def test_the_examples_are_good(text: str) -> None:
    assert isinstance(parse(text, environ={}), Config)
