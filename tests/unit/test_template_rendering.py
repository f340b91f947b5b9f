"""What a template says: names, missing fields, filters, and what is escaped where."""

from typing import Any

import pytest

from dispatchd.templates.render import CannotRender, render_tree, text_problems

BODY = {
    "title": "It *breaks*",
    "items": [1, 2],
    "_id": 7,
    "none": None,
    "float": 1.0,
    "yes": True,
    "big": 12345678901234567890,
    "user": {"login": "a_b"},
    "labels": [{"name": "x"}, {"name": "*y*"}],
    "at": "2026-01-31T12:00:00.123Z",
    "at_s": 1_700_000_000,
    "at_ms": 1_700_000_000_000,
}
NAMES = {
    "body": BODY,
    "event_type": None,
    "headers": {"x-env": "prod"},
    "endpoint": "gh",
    "event_id": "e1",
    "received_at": "2026-01-31T12:00:00.123Z",
    "destination": "chat",
}


def said(text: str, variant: str = "default", key: str = "description", **body: Any) -> str:
    names = NAMES if not body else {**NAMES, "body": body}
    return str(render_tree(variant, {key: text}, names).tree[key])


SPELLED = {
    "plain text {": "plain text {",
    "{{ body.title }}": "It *breaks*",
    "{{ event_type }}|{{ endpoint }}|{{ event_id }}|{{ destination }}": "|gh|e1|chat",
    "{{ headers['x-env'] }}": "prod",
    "{{ body.none }}{{ body.nope }}{{ body.none.a }}{{ body.nope.a.b }}{{ nope }}": "",
    "{{ body.yes }} {{ body.float }} {{ body.big }}": "true 1.0 12345678901234567890",
    "{{ body.user }} {{ body.items }}": '{"login": "a_b"} [1, 2]',
    "{{ body._id }}": "7",
    "{% for k, v in body.user.items() %}{{ k }}={{ v }}{% endfor %}": "login=a_b",
    "{% for k, v in body.user | items %}{{ k }}={{ v }}{% endfor %}": "login=a_b",
    "{{ body.none | default('x') }}{{ body.nope.a | default('y') }}": "xy",
    "{{ '' | default('x') }}{{ '' | default('y', true) }}": "y",
    "{{ body.nope.split('/')[-1] }}{{ body.nope + 1 }}{{ body.nope | upper }}": "",
    "{{ body.nope | int }}{{ body.nope | length }}{{ body.nope > 1 }}": "00false",
    "{% for x in body.nope %}x{% else %}none{% endfor %}": "none",
    "{{ 'a' if body.nope else 'b' }}": "b",
    "{{ body.title | truncate(8) }}": "It...",
    "{{ body.at | date }}": "2026-01-31 12:00",
    "{{ body.at_s | date('%d.%m.%Y') }}": "14.11.2023",
    "{{ body.at_ms | date('%H:%M', 120) }}": "00:13",
    "{{ body.title | date }}{{ body.none | date }}": "It *breaks*",
    "{{ received_at | date('%Y') }}": "2026",
    "{{ body.labels | map(attribute='name') | join(', ') }}": "x, *y*",
    "{{ body.labels | join('/', attribute='name') }}": "x/*y*",
    "{{ body.user | tojson }}": '{"login": "a_b"}',
    "{{ body.title.split(' ')[0] | upper }}": "IT",
    "{% set n = namespace(v=0) %}{% for i in [1, 2] %}{% set n.v = i %}{% endfor %}{{n.v}}": "2",
    "{{ link('https://h/', body.title) }}": "It *breaks* (https://h/)",
    "{{ body.title.upper }}": "",
    "a\n": "a\n",
}


@pytest.mark.parametrize(("text", "expected"), SPELLED.items())
def test_what_a_template_says(text, expected):
    assert said(text) == expected


ESCAPED = {
    "**{{ body.title }}**": r"**It \*breaks\***",
    "{{ body.title | safe }}": "It *breaks*",
    "{{ body.title | e }}{{ body.title | escape }}": r"It \*breaks\*It \*breaks\*",
    "{{ '<' }}{{ '<' | safe }}": r"\<<",
    "{{ ('**' | safe) ~ body.title }}": r"**It \*breaks\*",
    "{{ body.title ~ '*' }}": r"It \*breaks\*\*",
    "{% macro m(x) %}*{{ x }}*{% endmacro %}{{ m(body.title) }}": r"*It \*breaks\**",
    "{% macro m() %}*{{ caller() }}*{% endmacro %}{% call m() %}{{ body.title }}{% endcall %}": (
        r"*It \*breaks\**"
    ),
    "{% set x %}*{{ body.title }}*{% endset %}{{ x }}": r"*It \*breaks\**",
    # Whatever is made of escaped text is text: its marks show, and none of them counts.
    "{% set x %}{{ body.title }}{% endset %}{{ x | replace('\\\\', '') }}": r"It \*breaks\*",
    "{% set x %}{{ body.title }}{% endset %}{{ x[4:] }}": r"\*breaks\\\*",
    "{{ [body.title, link('https://h/', 'x')] | join('*') }}": r"It \*breaks\*\*[x](<https://h/>)",
    # jinja2's own markup is none of ours.
    "{{ '<a>*' | striptags }}": r"\*",
    "{{ '%s' | format(body.title) }}": r"It \*breaks\*",
    "{{ body.title | indent }}{{ body.title | title }}": r"It \*breaks\*It \*breaks\*",
}


@pytest.mark.parametrize(("text", "expected"), ESCAPED.items())
def test_what_is_escaped(text, expected):
    assert said(text, "discord", "content") == expected


def test_each_text_of_a_tree_has_its_own_syntax_and_the_rest_stays():
    tree = {
        "html": "<b>{{ body.x }}</b>",
        "subject": "{{ body.x }}",
        "n": 1,
        "on": True,
        "no": None,
        "list": ["{{ body.x }}", 2],
        "{{ key }}": "",
    }
    names = {**NAMES, "body": {"x": "<a\nb>"}}
    assert render_tree("email", tree, names).tree == {
        "html": "<b>&lt;a\nb&gt;</b>",
        "subject": "<a b>",
        "n": 1,
        "on": True,
        "no": None,
        "list": ["<a\nb>", 2],
        "{{ key }}": "",
    }


def test_what_was_not_there_is_told_once_and_only_where_it_was_said():
    tree = {
        "title": "{{ body.a.b }}{{ body.a.b }}{% if body.c %}{% endif %}{{ body.d | default(1) }}",
        "footer": "{{ nope }}",
    }
    assert render_tree("default", tree, NAMES).missing == ("a.b", "nope")


FAILS = {
    "{{ 1 / 0 }}": "fields[0].value: it divides by zero",
    "{{ body.title + 1 }}": "fields[0].value: a value is of another kind",
    "{{ range(10 ** 9) }}": "fields[0].value: a range or a number is too large",
    "{{ body.items.append(1) }}": "fields[0].value: it asks for what no template may have",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}": "fields[0].value: it nests too deeply",
}


@pytest.mark.parametrize(("text", "why"), FAILS.items())
def test_a_failure_says_where_and_why_and_nothing_of_the_payload(text, why):
    body = {**BODY, "items": [1]}
    if "append" in text:
        text = "{{ body['items'].append(1) }}"
    with pytest.raises(CannotRender) as caught:
        render_tree("default", {"fields": [{"value": text}]}, {**NAMES, "body": body})
    assert str(caught.value).startswith(why)
    assert "breaks" not in str(caught.value)


PROBLEMS = {
    "{{ body.title": ("unexpected end of template", None),
    "{{ bdoy.title }}": ('it knows no "bdoy"', 'did you mean "body"?'),
    "{{ x }}": ('it knows no "x"', "known: event_type"),
    "{{ body | uper }}": ('it knows no filter "uper"', 'did you mean "upper"?'),
    "{{ body is odder }}": ('it knows no test "odder"', 'did you mean "odd"?'),
    "a\nb\n{% if %}": ("Expected an expression", None),
    "{% include 'x' %}": ("there is no include", None),
    "{% import 'x' as y %}": ("there is no import", None),
    "{% from 'x' import y %}": ("there is no import", None),
    "{% extends 'x' %}": ("there is no extends", None),
    "{% block x %}{% endblock %}": ("there is no block", None),
    "{% filter upper %}x{% endfilter %}": ("there is no filter", None),
    "{% set x | upper %}x{% endset %}": ("a block has no filters", None),
    "{% autoescape false %}x{% endautoescape %}": ("there is no autoescape", None),
    "{{ body | random }}": ('it knows no filter "random"', None),
    "{{ " + "(" * 5000: ("it nests too deeply", None),
}


@pytest.mark.parametrize(("text", "told"), PROBLEMS.items())
def test_what_is_wrong_is_told_before_anything_starts(text, told):
    ((message, hint),) = text_problems(text)
    assert message.startswith(told[0])
    assert (hint or "").startswith(told[1] or "")
    assert ("in its line 3" in message) == text.startswith("a\nb")


def test_what_is_good_has_no_problem():
    for text in (*SPELLED, *ESCAPED):
        if "nope }}" not in text:
            assert list(text_problems(text)) == [], text
    # A bomb is no problem of the config's: nothing is worked out while it is checked.
    assert list(text_problems("{{ 9 ** 9 ** 9 }}{{ 'a' * 10 ** 12 }}")) == []
