"""Configs with something wrong in them, as tests write them, and what is told of them."""

import textwrap

import pytest

from dispatchd.config import ConfigProblems, parse

SECRET = "hunter2"
TAIL = "\ndestinations: {crm: {url: 'http://h/'}}\n"


def problems(text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigProblems) as caught:
        parse(textwrap.dedent(text), "c.yaml", environ or {})
    return [str(problem) for problem in caught.value.problems]


def endpoint(keys: str) -> str:
    return f"endpoints:\n  a:\n    {keys}" + TAIL


def limit(key: str) -> str:
    return endpoint(f"auth: none\n    {key}")


def destination(keys: str) -> str:
    return f"destinations:\n  d:\n    url: http://h/\n    {keys}\n"


def assert_one_problem(text: str, expected: str) -> None:
    """Assert that this is all that is wrong, told at its line."""
    found = problems(text)
    assert len(found) == 1, found
    assert found[0].startswith(f"c.yaml:{expected}"), found
