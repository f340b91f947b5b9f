"""`preview` shows what a template says; `explain` and `show` tell of rules and templates."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from dispatchd.config import load_templates
from dispatchd.model import Delivered

CONFIG = """
endpoints: {gh: {secret: '${NOT_SET}'}}
templates:
  issue:
    default:
      title: "{{ event_type }}: {{ body.title }}"
      description: "{{ body.text }}"
      colour: "#2da44e"
      footer: "{{ headers['x-env'] }}"
      fields: [{name: Action, value: "{{ body.action }}"}, {name: None, value: "{{ body.nope }}"}]
    telegram: {html: "<b>{{ body.title }}</b>", silent: true}
  slack-only: {slack: {text: "{{ 1 / body.zero }}"}}
"""
BODY = {"title": "<It> \x1b[31m*breaks*", "text": "one\ntwo", "action": "opened", "zero": 0}


@pytest.fixture
def previewing(world):
    world.config.write_text(CONFIG)
    return world


def preview(world, *args: str, body: Any = BODY):
    path = world.directory / "body.json"
    path.write_text(json.dumps(body))
    return world.dispatchd("preview", args[0], path, *args[1:])


def test_a_message_is_shown_part_by_part(previewing):
    ran = preview(previewing, "issue", "--event-type", "issues", "--header", "X-Env: prod")
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "title        issues: <It> [31m*breaks*",
        "description  one",
        "             two",
        "field        Action: opened",
        "kind         info",
        "colour       #2da44e",
        "footer       prod",
    ]
    assert ran.err == "warning: there is no nope\n"


def test_a_form_is_read_as_what_is_sent_of_it_is(previewing):
    path = previewing.directory / "body.txt"
    path.write_text("title=It+%3Cbreaks%3E&action=opened")
    form = "Content-Type: application/x-www-form-urlencoded"
    ran = previewing.dispatchd("preview", "issue", path, "--header", form)
    assert ran.out.splitlines()[0] == "title        : It <breaks>"
    assert previewing.dispatchd("preview", "issue", path).out.splitlines()[0] == "title        :"


def test_a_types_own_terms_are_shown_as_they_would_be_sent(previewing):
    told = json.loads(preview(previewing, "issue", "--type", "telegram").out)
    assert told == {"html": "<b>&lt;It&gt; [31m*breaks*</b>", "silent": True}


def test_scripts_are_told_all_of_it(previewing):
    told = preview(previewing, "issue", "--type", "discord", "--json").json()
    assert (told["template"], told["variant"], told["type"]) == ("issue", "default", "discord")
    assert told["tree"]["fields"][0] == {"name": "Action", "value": "opened"}
    assert told["missing"] == ["x-env", "nope"]
    assert told["warnings"] == ["there is no x-env", "there is no nope"]


def test_what_a_type_would_cut_is_a_warning(previewing):
    ran = preview(previewing, "issue", "--type", "discord", body={"title": "x" * 300})
    assert "warning: the title has 302 characters, of which discord shows 256" in ran.err


def test_a_template_that_would_say_nothing_is_told(previewing):
    previewing.config.write_text("templates: {t: {default: {title: '{{ body.nope }}'}}}")
    told = "warning: the destination's own wording would be sent: it says nothing"
    assert told in preview(previewing, "t").err


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("isue",), 2, "there is no template 'isue'; did you mean 'issue'?"),
        (("slack-only",), 2, "'slack-only' speaks to slack alone: say --type"),
        (("slack-only", "--type", "slack"), 1, "fails over this body: text: it divides by zero"),
        (("issue", "--type", "slak"), 2, "'slak' is not one of"),
    ],
)
def test_what_cannot_be_shown_is_said(previewing, args, code, said):
    ran = preview(previewing, *args)
    assert (ran.code, said in ran.err) == (code, True), ran.err


def test_a_template_that_is_wrong_is_told_at_its_line(previewing):
    previewing.config.write_text("templates:\n  t: {default: {title: '{{ x'}}\n")
    ran = preview(previewing, "t")
    assert ran.code == 2
    assert "config.yaml:2: templates.t.default.title: is not a valid template" in ran.err


RULED = """
storage: {{url: 'sqlite:///{database}'}}
endpoints:
  my-slug:
    auth: none
    destinations:
      - to: crm
        transform: '"own"'
        rules:
          - {{name: bots, filter: {{body.bot: true}}, skip: true}}
          - {{filter: 'body.n > 1', transform: '"by rule"'}}
destinations: {{crm: {{url: 'http://127.0.0.1:9/'}}}}
"""
EXPLAINED = [
    ({"n": 2}, "  rule 2\n  transform applied\n", '"by rule"', "2"),
    ({"n": 1}, "  rule none of its rules matches\n  transform applied\n", '"own"', "none of"),
    ({"bot": True}, "no, turned away by its rule bots\n  rule bots, which skips\n", None, "bots,"),
]


@pytest.mark.parametrize(("body", "said", "sent", "rule"), EXPLAINED)
def test_explain_tells_which_rule_decides(world, body, said, sent, rule):
    world.config.write_text(RULED.format(database=world.database))
    path = world.directory / "body.json"
    path.write_text(json.dumps(body))
    ran = world.dispatchd("explain", "my-slug", path)
    assert said in ran.out
    (link,) = world.dispatchd("explain", "my-slug", path, "--json").json()["links"]
    assert link["rule"].startswith(rule)
    assert not link["goes"] or link["body"] == sent
    assert ("filtered by crm: rule bots" in ran.out) == (sent is None)


def test_explain_tells_an_endpoints_rules(world):
    world.config.write_text(RULED.format(database=world.database))
    assert "(transform; rules bots, 2)" in world.dispatchd("explain", "my-slug").out


def test_show_tells_the_rule_and_what_the_template_did(world):
    again = replace(world.add(), id="01a2ffff-0000-7000-8000-000000000002")
    world.store(lambda store: store.add_event(again, ["crm"], rules={"crm": "bots"}))
    world.attempt(again, "crm", Delivered(), template="issue: applied", rule="bots")
    out = world.dispatchd("show", again.id).out
    assert "  by rule bots\n" in out
    assert "      template: issue: applied\n" in out
    (delivery,) = world.dispatchd("show", again.id, "--json").json()["deliveries"]
    assert (delivery["rule"], delivery["attempts"][0]["template"]) == ("bots", "issue: applied")


DOCS = (Path(__file__).parents[3] / "docs" / "templates.md").read_text(encoding="utf-8")


def test_the_docs_templates_are_good(tmp_path):
    blocks = DOCS.split("```yaml\n")[1:]
    assert len(blocks) >= 2
    for block in blocks:
        written = yaml.safe_load(block.split("```")[0])
        path = tmp_path / "c.yaml"
        path.write_text(yaml.safe_dump({"templates": written["templates"]}))
        assert load_templates(path, {}) == written["templates"]
