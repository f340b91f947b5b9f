"""Templates and rules in a config: every problem at once, each at its line."""

import subprocess
import sys

import pytest
from configs import problems

from dispatchd.config import load_templates, parse
from dispatchd.config.document import read_document
from dispatchd.config.template_rules import check_templates
from dispatchd.plan.links import lane_links
from dispatchd.templates.normal import variant_for


def template(variants: str) -> str:
    return f"templates:\n  t:\n    {variants}\n"


def one(text: str) -> str:
    (found,) = problems(text)
    return found


REFUSED = {
    "default: {title: '{{ body.x'}": (
        "c.yaml:3: templates.t.default.title: is not a valid template: unexpected end of"
    ),
    "default: {title: '{{ bdy.x }}'}": (
        "c.yaml:3: templates.t.default.title: is not a valid template:"
        ' it knows no "bdy"; did you mean "body"?'
    ),
    "default: {titel: x, description: y}": (
        'c.yaml:3: templates.t.default.titel: unknown key; did you mean "title"?'
    ),
    "default: {title: x, fields: [{name: a}]}": (
        "c.yaml:3: templates.t.default.fields[0].value: is missing"
    ),
    "default: {title: x, fields: [{name: a, value: b, vlue: c}]}": (
        "c.yaml:3: templates.t.default.fields[0].vlue: unknown key;"
    ),
    "default: {title: x, fields: {a: b}}": (
        "c.yaml:3: templates.t.default.fields: must be a list of {name, value}"
    ),
    "default: {title: x, fields: [a]}": (
        "c.yaml:3: templates.t.default.fields[0]: must be {name, value}"
    ),
    "default: {title: 1}": "c.yaml:3: templates.t.default.title: must be text",
    "default: {url: 'https://h/'}": "c.yaml:3: templates.t.default: says nothing",
    "default: x": "c.yaml:3: templates.t.default: must be a mapping of title,",
    "slack: x": "c.yaml:3: templates.t.slack: must be a mapping, in the terms of slack",
    "slack: {blocks: [{text: {text: '{{ body.x | uper }}'}}]}": (
        "c.yaml:3: templates.t.slack.blocks[0].text.text: is not a valid template: it knows no"
    ),
    "slack: {username: x}": (
        "c.yaml:3: templates.t.slack: slack would not take it: it has none of text, blocks,"
    ),
    "telegram: {html: x, chat_id: '1'}": (
        "c.yaml:3: templates.t.telegram: telegram would not take it: chat_id is the destination's"
    ),
    "slak: {text: x}": (
        'c.yaml:3: templates.t.slak: unknown type of destination; did you mean "slack"?'
    ),
    "webhook: {a: x}": (
        "c.yaml:3: templates.t.webhook: templates are never applied to webhook destinations"
    ),
    "{}": "c.yaml:2: templates.t: says nothing; give it default",
}


@pytest.mark.parametrize(("variants", "told"), REFUSED.items())
def test_a_template_that_cannot_work_is_refused(variants, told):
    assert one(template(variants)).startswith(told)


def test_every_text_of_every_template_is_told_of_at_once():
    found = problems(
        "templates:\n"
        "  a:\n    default: {title: '{{ x }}', description: '{{ y }}'}\n"
        "  b:\n    telegram:\n      html: |\n        <b>\n        {{ body.z | nope }}\n"
    )
    assert [problem.split(":")[1] for problem in found] == ["3", "3", "6"]
    assert "(in its line 2)" in found[2]


def test_what_a_reference_gave_is_not_shown():
    found = problems(template("default: {title: '{{ ${SECRET} }}'}"), {"SECRET": "hunter2"})
    assert found == ["c.yaml:3: templates.t.default.title: is not a valid template"]


LINKED = """
endpoints:
  a:
    auth: none
    destinations:
      - {{to: d, {link}}}
destinations: {{d: {{url: 'http://h/'}}}}
templates:
  issue: {{default: {{title: x}}}}
"""
WRONG_LINKS = {
    "template: isue": [
        'template: unknown template "isue"; did you mean "issue"?',
        "template: templates are never applied to webhook destinations; use a transform",
    ],
    "template: issue": ["template: templates are never applied to webhook destinations"],
    "rules: [{template: issue}]": [
        "rules[0].template: templates are never applied to webhook destinations"
    ],
    "rules: [{skip: true, transform: a}]": ["rules[0]: skips what it matches"],
    "rules: [{name: '1', skip: true}]": ["rules[0].name: is a number"],
    "rules: [{name: x}, {name: x}]": ["rules[1].name: is the name of rules[0] too"],
    "rules: [{filter: 'a ='}]": ["rules[0].filter: is not a valid JSONata expression"],
    "rules: [{filter: {boddy.x: 1}}]": ['rules[0].filter: "boddy.x" is no path'],
    "rules: [{transform: '{'}]": ["rules[0].transform: is not a valid JSONata expression"],
    "rules: [{evnt_types: x}]": ["rules[0].evnt_types: unknown key; did you mean"],
    "rules: x": ["rules: must be a list"],
}


@pytest.mark.parametrize(("link", "told"), WRONG_LINKS.items())
def test_what_a_link_names_must_be_there_and_fit(link, told):
    found = problems(LINKED.format(link=link))
    starts = [f"c.yaml:6: endpoints.a.destinations[0].{text}" for text in told]
    assert len(found) == len(starts)
    assert all(f.startswith(s) for f, s in zip(found, starts, strict=True)), found


def test_a_template_must_speak_to_the_type_it_is_used_for():
    text = """
    templates: {t: {slack: {text: x}}, u: {default: {title: x}}, v: {discord: {content: x}}}
    """
    document = read_document(text, "c.yaml", {})
    links = [{"to": "chat", "template": name} for name in "tuv"]
    check_templates(
        document,
        document.value["templates"],
        {"a": {"destinations": links}},
        {"chat": {"type": "discord"}},
    )
    assert [problem.message for problem in document.problems] == ["has neither default nor discord"]


def test_a_template_may_be_longer_than_what_it_says():
    text = "{{ body.x }}{# " + "a" * 2000 + " #}"
    assert parse(template(f"discord: {{content: '{text}'}}")).templates["t"]


def test_the_types_own_variant_goes_before_the_normal_form():
    variants = {"default": {}, "slack": {}}
    assert [variant_for(variants, kind) for kind in ("slack", "discord")] == ["slack", "default"]


RULED = """
endpoints:
  a:
    auth: none
    destinations:
      - to: d
        transform: '{"own": 1}'
        on_transform_error: fail
        rules:
          - {event_types: push, transform: '{"one": 1}'}
          - {name: bots, filter: 'body.bot', skip: true}
          - {event_types: [x, y]}
  b: {auth: none, destinations: [d]}
destinations: {d: {url: 'http://h/'}}
"""


def test_a_rule_treats_events_by_itself():
    links = lane_links(parse(RULED), "d")
    assert list(links) == ["a"]
    link = links["a"]
    assert [rule.name for rule in link.rules] == ["1", "bots", "3"]
    expressions = {
        rule: treatment.transform and treatment.transform.expression
        for rule, treatment in link.by_rule.items()
    }
    assert expressions == {"1": '{"one": 1}', "3": None}
    assert link.treatment("1").transform.on_error == "fail"
    for gone in (None, "bots", "a rule of yesterday"):
        assert link.treatment(gone).transform.expression == '{"own": 1}'


def test_what_is_of_no_use_is_warned_of():
    text = LINKED.format(link="rules: [{name: all, transform: a}, {event_types: x}]")
    warnings = parse(text).warnings()
    assert any("rule all of the link to d matches everything" in w for w in warnings)
    assert any("the transform of the link to d fails open" in w for w in warnings)
    assert any("templates.issue: no link and no rule names it" in w for w in warnings)


def test_templates_are_read_without_the_secrets_of_the_rest(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("endpoints: {a: {secret: '${NOT_SET}'}}\n" + template("default: {title: x}"))
    assert load_templates(path, {}) == {"t": {"default": {"title": "x"}}}


def test_a_config_without_templates_needs_no_jinja2():
    code = (
        "import sys, dispatchd.app, dispatchd.plan.compiling as p, dispatchd.config as c;"
        "p.compile_plan(c.parse(\"destinations: {d: {url: 'http://h/'}}\"));"
        "sys.exit('jinja2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_kind_or_colour_that_can_be_none_is_refused_where_it_is_no_template():
    """It was taken, and every message went out as `info`."""
    text = template("default: {title: x, kind: red, colour: blue}")
    assert problems(text) == [
        'c.yaml:3: templates.t.default.colour: must be "#rrggbb", in quotes',
        "c.yaml:3: templates.t.default.kind: must be info, success, warning or failure",
    ]
    parse(template("default: {title: x, kind: Warning, colour: ' #00ff7F '}"))
    parse(template("default: {title: x, kind: '{{ body.k }}', colour: '{{ body.c }}'}"))
