"""Rules are asked in their order, and no further than the first that matches."""

from typing import Any

import pytest

from dispatchd.evaluate.evaluator import Fault, NoResult, Result, Value
from dispatchd.evaluate.first_match import first_match
from dispatchd.match import JsonataFilter, Rule, Subject, compile_filter

SUBJECT = Subject("push", {}, {"n": 1}, None, b'{"n":1}')
YES, NO, ODD = Value(b"true"), Value(b"false"), Value(b"1")
FAILED, OURS = NoResult("T2001"), Fault("no process")


def rule(name: str, given: Any = None, *event_types: str) -> Rule:
    return Rule(name, event_types, compile_filter(given))


CASES = [
    ([rule("1")], {}, "1"),
    ([], {}, None),
    ([rule("1", None, "issues"), rule("2", None, "pu*")], {}, "2"),
    ([rule("1", {"body.n": 2}), rule("2", {"body.n": 1})], {}, "2"),
    ([rule("1", "a"), rule("2", "b"), rule("3")], {"a": NO, "b": YES}, "2"),
    ([rule("1", "a"), rule("2", "b"), rule("3")], {"a": NO, "b": NO}, "3"),
    ([rule("1", "a", "issues"), rule("2", "b")], {"b": NO}, None),
    ([rule("1", "a"), rule("2", "b")], {"a": FAILED, "b": YES}, "2"),
    ([rule("1", "a"), rule("2", "b")], {"a": OURS, "b": ODD}, None),
]


@pytest.mark.parametrize(("rules", "answers", "expected"), CASES)
async def test_the_first_that_matches(rules, answers, expected):
    asked = []

    async def ask(chosen: JsonataFilter, name: str) -> Result:
        asked.append(name)
        return answers[chosen.expression]

    match = await first_match(rules, SUBJECT, ask, "chat")
    assert (match.rule and match.rule.name) == expected
    assert len(asked) == len(answers)  # nobody behind the first is asked
    failed = [answer for answer in answers.values() if answer not in (YES, NO)]
    assert len(match.notes) == len(failed)
    assert match.fault == (OURS if OURS in failed else None)


async def test_what_failed_is_told_by_the_rules_name():
    async def ask(chosen: JsonataFilter, name: str) -> Result:
        return {"a": FAILED, "b": OURS, "c": ODD}[chosen.expression]

    rules = [rule("bots", "a"), rule("2", "b"), rule("3", "c")]
    assert (await first_match(rules, SUBJECT, ask, "chat")).notes == [
        "rule bots of the link to chat failed: T2001",
        "rule 2 of the link to chat was not asked: no process",
        "rule 3 of the link to chat failed: it yielded neither true nor false",
    ]
