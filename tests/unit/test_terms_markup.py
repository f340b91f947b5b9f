"""What tells a platform which markup a text is in: what we escape for and nothing else."""

from typing import Any

import pytest

from dispatchd.compose.terms import shape_problem
from dispatchd.message import Terms


@pytest.mark.parametrize(
    ("kind", "tree"),
    [
        # Telegram reads its name in any case, and other markups that nothing is escaped for.
        ("telegram", {"text": "{{ body.x }}", "parse_mode": "html"}),
        ("telegram", {"text": "{{ body.x }}", "parse_mode": "MarkdownV2"}),
        ("telegram", {"text": "{{ body.x }}", "parse_mode": "Markdown"}),
        ("telegram", {"text": "{{ body.x }}", "parse_mode": "{{ 'HTML' }}"}),
        ("pushover", {"message": "{{ body.x }}", "html": "{{ 1 }}"}),
        ("pushover", {"message": "{{ body.x }}", "html": "yes"}),
        ("ntfy", {"message": "{{ body.x }}", "markdown": "{{ 'true' }}"}),
        ("ntfy", {"message": "{{ body.x }}", "markdown": "true"}),
    ],
)
def test_a_markup_that_nothing_is_escaped_for_is_refused(kind: str, tree: dict[str, Any]) -> None:
    problem = shape_problem(Terms(kind, tree))
    assert problem is not None
    assert "must be" in problem


@pytest.mark.parametrize(
    ("kind", "tree"),
    [
        ("telegram", {"text": "x", "parse_mode": "HTML"}),
        ("telegram", {"text": "x"}),
        ("pushover", {"message": "x", "html": 1}),
        ("pushover", {"message": "x", "html": "1"}),
        ("pushover", {"message": "x", "html": 0}),
        ("ntfy", {"message": "x", "markdown": True}),
        ("ntfy", {"message": "x", "markdown": False}),
    ],
)
def test_the_others_are_taken(kind: str, tree: dict[str, Any]) -> None:
    assert shape_problem(Terms(kind, tree)) is None
