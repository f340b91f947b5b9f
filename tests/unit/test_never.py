"""Links that can never match, and the globs and filters that tell."""

from itertools import product

import pytest

from dispatchd.config import parse
from dispatchd.match import compile_filter, glob_match, globs_meet, never_both

TEXTS = ["".join(text) for n in range(6) for text in product("ab", repeat=n)]
GLOBS = ["".join(glob) for n in range(4) for glob in product("ab*?", repeat=n)]


def test_globs_meet_where_some_text_matches_both() -> None:
    matched = {glob: {text for text in TEXTS if glob_match(glob, text)} for glob in GLOBS}
    for one, other in product(GLOBS, repeat=2):
        assert globs_meet([one], [other]) == bool(matched[one] & matched[other]), (one, other)


def test_no_globs_meet_all() -> None:
    assert globs_meet([], ["a"])
    assert globs_meet(["a"], ())
    assert globs_meet(["a", "b"], ["c", "b"])


@pytest.mark.parametrize(
    ("one", "other", "key"),
    [
        ({"body.a": "x"}, {"body.a": ["y", "z"]}, "body.a"),
        ({"body.a": ["x*", 1]}, {"body.a": "xy"}, None),
        ({"body.a": 1}, {"body.a": 1.0}, None),
        ({"body.a": 1}, {"body.a": True}, "body.a"),
        ({"body.a": None}, {"body.a": "null"}, "body.a"),
        ({"headers.X-Env": "prod"}, {"headers.x-env": "test"}, "headers.x-env"),
        ({"body.a": "x"}, {"body.b": "y"}, None),
        ({"body.a": "x"}, "body.a = 'y'", None),
        (None, {"body.a": "x"}, None),
    ],
)
def test_filters_that_never_agree(one, other, key) -> None:
    assert never_both(compile_filter(one), compile_filter(other)) == key


def warnings(link: str, endpoint: str = "", wants: str = "[]") -> list[str]:
    return parse(
        f"endpoints: {{a: {{secret: x, {endpoint} destinations: [{link}]}}}}\n"
        f"destinations: {{d: {{url: 'http://d.example', event_types: {wants}}}}}\n"
    ).warnings()


@pytest.mark.parametrize(
    ("link", "endpoint", "wants", "why"),
    [
        ("{to: d, event_types: push}", "", "[issues*]", "none of its event types is one that d"),
        ("{to: d, filter: {body.a: x}}", "filter: {body.a: y},", "[]", "other values of body.a"),
        ("{to: d, rules: [{skip: true}]}", "", "[]", "every event is skipped by its rules"),
        ("{to: d, rules: [{event_types: a, skip: true}, {skip: true}]}", "", "[]", "is skipped"),
    ],
)
def test_a_link_that_never_matches_is_warned_of(link, endpoint, wants, why) -> None:
    (said,) = warnings(link, endpoint, wants)
    assert said.startswith("endpoints.a.destinations: the link to d can never match: ")
    assert why in said


def test_a_rule_for_types_that_do_not_come_is_warned_of() -> None:
    (said,) = warnings("{to: d, event_types: push, rules: [{event_types: pull, skip: true}]}")
    assert "its rule 1 can never match" in said


@pytest.mark.parametrize(
    "link",
    [
        "d",
        "{to: d, event_types: 'pu*'}",
        "{to: d, rules: [{event_types: push, skip: true}]}",
        (
            "{to: d, rules: [{filter: {body.a: 1}, skip: true}, {transform: 'a'}], "
            "on_transform_error: fail}"
        ),
    ],
)
def test_others_are_not(link) -> None:
    assert warnings(link, "filter: {body.a: [x, y]},", "[push]") == []
