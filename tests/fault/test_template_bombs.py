"""Templates that want out, or more than their share: they end, and the next one is rendered."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from patience import HANG_S

from dispatchd.evaluate.evaluator import Evaluator, NoResult, Result, Value
from dispatchd.evaluate.frames import TEMPLATE, template_source


class Bench:
    """An evaluator that renders one text over one body."""

    def __init__(self) -> None:
        self.pids: list[int] = []
        self.evaluator = Evaluator(spawned=self.pids.append, deadline_s=HANG_S)

    async def render(self, text: str, body: Any = None, owner: str = "a") -> Result:
        return await self.evaluator.evaluate(
            template_source("default", {"title": text}),
            json.dumps(body).encode(),
            owner=owner,
            bindings=b'{"endpoint":"gh"}',
            kind=TEMPLATE,
        )


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    await made.evaluator.close()


def said(result: Result) -> str:
    assert isinstance(result, Value), result
    return str(json.loads(result.json)["tree"]["title"])


async def test_both_kinds_of_job_share_a_process(bench: Bench) -> None:
    assert said(await bench.render("{{ endpoint }} {{ body.x }}", {"x": 1})) == "gh 1"
    assert await bench.evaluator.evaluate("1+1", b"{}", owner="a") == Value(b"2")
    assert said(await bench.render("{{ body }}", "text")) == "text"
    assert len(bench.pids) == 1


BOMBS = [
    "{{ 9 ** (9 ** 9) }}",
    "{{ 'a' * 10 ** 12 }}",
    "{{ [1] * 10 ** 12 }}",
    "{{ '%1000000000000d' | format(1) }}",
    "{{ '{:>999999999999}'.format('x') }}",
    "{{ range(10 ** 10) }}",
    "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}",
    "{% for i in range(99999) %}{{ body.text }}{% endfor %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro m(x) %}{{ m(x ~ x) }}{% endmacro %}{{ m('xxxxxxxx') }}",
    "{% set n = namespace(x='x') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "{{ 'x' | center(10 ** 12) }}",
    "{{ 'x' | indent(10 ** 12, true) }}",
    "{{ body.text | wordwrap(1) | replace('x', body.text) | replace('x', body.text) }}",
    "{{ body.text | batch(10 ** 12, 0) | list }}",
]


@pytest.mark.parametrize("bomb", BOMBS)
async def test_a_bomb_ends_and_hurts_nobody_else(bench: Bench, bomb: str) -> None:
    result = await bench.render(bomb, {"text": "x" * 10_000})
    assert isinstance(result, NoResult), result
    assert "xxx" not in result.reason
    assert said(await bench.render("{{ body }}", 1, owner="b")) == "1"
    assert said(await bench.render("{{ body }}", 2)) == "2"


# What others have used to leave jinja2's sandbox, or to look around in it.
ESCAPES = [
    "{{ ''.__class__ }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''['__class__'] }}",
    "{{ '' | attr('__class__') }}",
    "{{ '' | attr('\\x5f\\x5fclass\\x5f\\x5f') }}",
    "{{ [''] | map(attribute='__class__') | list }}",
    "{{ [''] | map('attr', '__class__') | join }}",
    "{{ [{'a': ''}] | map(attribute='a.__class__') | first }}",
    "{{ ['']|groupby('__class__') | list }}",
    "{{ [''] | sum(attribute='__class__') }}",
    "{{ '{0.__class__.__mro__}'.format('') }}",
    "{{ '{0[__class__]}'.format(body) }}",
    "{{ '{x.__class__}'.format_map({'x': ''}) }}",
    "{{ ('{0.__class__}' | attr('format'))('') }}",
    "{{ ['{0.__class__}'.format] | map('attr', '__self__') | list }}",
    "{% set f = '{0.__class__}'.format %}{{ f('') }}",
    "{{ ['{0.__class__}'] | map('format', '') | list }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ self._TemplateReference__context.environment }}",
    "{{ cycler.__init__.__globals__.os }}",
    "{{ joiner.__init__.__globals__ }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ range.__self__ }}",
    "{{ link.__func__.__globals__ }}",
    "{{ link.__self__.missing }}",
    "{{ lipsum.__globals__ }}",
    "{{ config }}{{ request }}{{ g }}{{ environ }}",
    "{{ nope.__init__.__globals__ }}",
    "{{ body.nope.__class__.__mro__ }}",
    "{{ (nope | default(body.nope)).__class__ }}",
    "{% macro m() %}{% endmacro %}{{ m.__call__.__globals__ }}",
    "{% macro m() %}{% endmacro %}{{ m._func.__globals__ }}",
    "{% macro m() %}{% endmacro %}{{ m._environment }}",
    "{% for x in [1] %}{{ loop.__class__ }}{{ loop._recurse }}{{ loop._undefined }}{% endfor %}",
    "{% for x in (y for y in []) %}{% endfor %}",
    "{% set x = [] %}{% do x.append(1) %}",
    "{{ body.update({'x': 1}) }}",
    "{{ [].append(1) }}",
    "{{ joiner().__init__ }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}{{ os }}",
    "{% from 'os' import environ %}",
    "{% extends 'x' %}",
    "{% debug %}",
]


@pytest.mark.parametrize("text", ESCAPES)
async def test_nothing_but_the_names_can_be_reached(bench: Bench, text: str) -> None:
    result = await bench.render(text, {"x": 1})
    if isinstance(result, Value):
        shown = said(result).replace("{'x': 1}", "")
        for word in ("<", "__", "class", "object", "module", "function", "environment"):
            assert word not in shown, shown
    else:
        assert isinstance(result, NoResult), result


async def test_a_body_and_bindings_that_are_deep_or_odd_are_no_crash(bench: Bench) -> None:
    for document in (b"[" * 5000 + b"]" * 5000, b'"\\ud800"', b"1e999", b"\xff\xfe", b""):
        result = await bench.evaluator.evaluate(
            template_source("slack", {"text": "{{ body }}"}), document, owner="a", kind=TEMPLATE
        )
        assert isinstance(result, Value), (document, result)
        json.loads(result.json)


async def test_what_it_says_is_bounded(bench: Bench) -> None:
    result = await bench.render("{{ body }}{{ body }}", "x" * 600_000)
    assert result == NoResult("what it says is larger than 1 MiB")
