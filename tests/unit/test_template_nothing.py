"""What is not there, or null, fails no template; and what is there is shown, whatever holds it."""

from typing import Any

import pytest

from dispatchd.templates.render import render_tree

NAMES = {"headers": {}, "endpoint": "gh", "event_type": None, "event_id": "e1"}
BODY = {"null": None, "list": ["b", "a", "b"], "object": {"k": "v"}, "nulls": [{"x": None}]}


def said(text: str, variant: str = "default", key: str = "description") -> str:
    return str(render_tree(variant, {key: text}, {**NAMES, "body": BODY}).tree[key])


@pytest.mark.parametrize("value", ["body.nope", "body.null", "body.nope.a", "event_type"])
@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        (" | truncate(300)", ""),  # of an issue without a description, `body` is null
        (" | upper", ""),
        (" | replace('a', 'b')", ""),
        (" | indent", ""),
        (" | wordwrap(9)", ""),
        (" | urlencode", ""),
        (" | striptags", ""),
        (" | join(', ')", ""),
        (" | first", ""),
        (" | reverse", ""),
        (" | map(attribute='x') | join", ""),
        (" | dictsort | length", "0"),
        (" | abs", ""),
        (" | round(1)", ""),
        (" | date", ""),
        (" | date('%H')", ""),
        (" | length", "0"),
        (" | int", "0"),
        (" | default('d')", "d"),
        (" + 1", ""),
        (" > 1", "false"),
        (".lower().split()[0]", ""),
        (" or 'else'", "else"),
    ],
)
def test_what_is_not_there_or_null_fails_nothing(value, rest, expected):
    assert said("{{ " + value + rest + " }}") == expected


def test_a_loop_over_null_has_no_turns():
    assert said("{% for x in body.null %}x{% else %}none{% endfor %}") == "none"
    assert said("{{ 1 in body.null }} {{ '{:.2f}'.format(body.null) }}") == "false "


def test_null_is_still_null_where_it_is_asked_for():
    assert said("{{ body.null is none }} {{ body.null == none }} {{ body.nope is none }}") == (
        "true true false"
    )
    assert said("{{ body.null is defined }} {{ body.nope is defined }}") == "true false"
    assert said("{{ body.null | tojson }} {{ body.nulls }} {{ [body.null] }}") == (
        'null [{"x": null}] [null]'
    )


def test_null_is_not_told_as_missing():
    tree = {"title": "{{ body.null }}{{ body.null | upper }}{{ event_type }}{{ body.nope }}"}
    assert render_tree("default", tree, {**NAMES, "body": BODY}).missing == ("nope",)


SPELLED = {
    "{{ body.list | reverse }}": '["b", "a", "b"]',
    "{{ body.list | unique }}": '["b", "a"]',
    "{{ body.list | map('upper') }}": '["B", "A", "B"]',
    "{{ body.list | select('eq', 'a') | tojson }}": '["a"]',
    "{{ body.object | items }}": '[["k", "v"]]',
    "{{ body.object.items() }} {{ body.object.keys() }}": '[["k", "v"]] ["k"]',
    "{{ range(3) }}": "[0, 1, 2]",
    "{{ [body.nope] }}": "[null]",
}


@pytest.mark.parametrize(("text", "expected"), SPELLED.items())
def test_whatever_can_be_listed_is_spelled_as_a_list(text, expected):
    assert said(text) == expected


FORMATTED = {
    "{{ ('**{}**' | safe).format(body.x) }}": r"\*\*\*\*\*",
    "{% set f = ('{}' | safe).format %}{{ f(body.x) }}": r"\*",
    "{{ ('{}' | safe) | attr('format')(body.x) }}": r"\*",
    "{% set b %}{{ body.format }}{% endset %}{{ b.format(body.x) }}": r"\*",
    "{{ ('{a}' | safe).format_map({'a': body.x}) }}": r"\*",
}


@pytest.mark.parametrize(("text", "expected"), FORMATTED.items())
def test_what_is_put_into_marked_text_by_format_is_escaped(text, expected):
    names: dict[str, Any] = {**NAMES, "body": {"x": "*", "format": "{0}"}}
    assert render_tree("discord", {"content": text}, names).tree["content"] == expected
