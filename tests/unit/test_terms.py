"""A tree in a type's own terms, laid into the request that its courier composes."""

import json
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
from platform_parts import Markup
from speakers import HOSTILE, mailed
from speakers import message as a_message

from dispatchd.compose.terms import lay, terms_problem
from dispatchd.message import Terms
from dispatchd.model import Mail, Request
from dispatchd.templates.render import render_tree

HTML = "org.matrix.custom.html"
CARD: dict[str, Any] = {"type": "AdaptiveCard", "version": "1.4", "body": [1], "actions": [2]}
LAID: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "discord": (
        {"embeds": [1], "allowed_mentions": {"parse": []}},
        {"content": "x"},
        {"content": "x", "allowed_mentions": {"parse": []}},
    ),
    "slack": (
        {"channel": "C1", "text": "t", "attachments": [1], "unfurl_links": False},
        {"blocks": [2]},
        {"channel": "C1", "blocks": [2], "unfurl_links": False},
    ),
    "telegram": (
        {"chat_id": "1", "text": "t", "parse_mode": "HTML"},
        {"html": "<b>x</b>"},
        {"chat_id": "1", "text": "<b>x</b>", "parse_mode": "HTML"},
    ),
    "mattermost": ({"attachments": [1]}, {"text": "x"}, {"text": "x"}),
    "googlechat": (
        {"cardsV2": [1], "fallbackText": "f", "thread": {"threadKey": "k"}},
        {"text": "x"},
        {"text": "x", "thread": {"threadKey": "k"}},
    ),
    "matrix": (
        {"msgtype": "m.text", "body": "b", "formatted_body": "f", "m.mentions": {}},
        {"html": "<b>x</b> &amp; y"},
        {
            "msgtype": "m.text",
            "m.mentions": {},
            "body": "x & y",
            "formatted_body": "<b>x</b> &amp; y",
            "format": HTML,
        },
    ),
    "ntfy": (
        {"topic": "t", "title": "a", "message": "b", "priority": 3, "tags": ["x"]},
        {"message": "m"},
        {"topic": "t", "message": "m"},
    ),
    "gotify": (
        {"title": "a", "message": "b", "priority": 4, "extras": {}},
        {"message": "m"},
        {"message": "m", "priority": 4},
    ),
    "pushover": (
        {"token": "t", "user": "u", "title": "a", "message": "b", "priority": 0},
        {"message": "m", "priority": 1},
        {"token": "t", "user": "u", "message": "m", "priority": 1},
    ),
    "msteams": (
        {"type": "message", "attachments": [{"contentType": "c", "content": CARD}]},
        {"body": [{"type": "TextBlock"}]},
        {
            "type": "message",
            "attachments": [
                {
                    "contentType": "c",
                    "content": {
                        "type": "AdaptiveCard",
                        "version": "1.4",
                        "body": [{"type": "TextBlock"}],
                    },
                }
            ],
        },
    ),
}


def laid(kind: str, document: dict[str, Any], tree: dict[str, Any]) -> Any:
    request = Request("POST", "http://h/", {"A": "b"}, json.dumps(document).encode(), 1.0)
    terms = Terms(kind, tree)
    assert terms_problem(terms) is None
    made = lay(request, terms)
    assert isinstance(made, Request)
    assert (made.url, made.headers, made.timeout_s) == ("http://h/", {"A": "b"}, 1.0)
    return json.loads(made.body)


@pytest.mark.parametrize("kind", LAID)
def test_a_tree_takes_the_place_of_the_words_alone(kind):
    document, tree, expected = LAID[kind]
    assert laid(kind, document, tree) == expected


def test_plain_telegram_text_is_not_read_as_html():
    document = LAID["telegram"][0]
    assert laid("telegram", document, {"text": "<x"}) == {"chat_id": "1", "text": "<x"}
    said = {"text": "<b>x</b>", "parse_mode": "HTML"}
    assert laid("telegram", document, said) == {"chat_id": "1", **said}


def test_a_tree_may_say_otherwise_of_what_is_only_careful():
    said = {"content": "@here", "allowed_mentions": {"parse": ["everyone"]}}
    assert laid("discord", LAID["discord"][0], said) == said


@pytest.mark.parametrize(
    ("kind", "tree", "why"),
    [
        ("discord", {"username": "x"}, "it has none of content"),
        ("discord", {"content": ""}, "it has none of content"),
        ("telegram", {"text": "x", "chat_id": "2"}, "chat_id is the destination's to say"),
        ("telegram", {"html": {"x": 1}}, "html must be text"),
        ("matrix", {"formatted_body": [1]}, "formatted_body must be text"),
        ("discord", {"content": "x" * 2001}, "content has 2001 characters, of which discord takes"),
        ("discord", {"embeds": [{"fields": [{"value": "x" * 1025}]}]}, "value has 1025 characters"),
        ("slack", {"blocks": [{"text": {"text": "x" * 3001}}]}, "text has 3001 characters"),
        ("email", {"subject": "x"}, "it has none of text, html"),
        ("ntfy", {"message": "x", "topic": "t"}, "topic is the destination's to say"),
        ("webhook", {"x": 1}, "webhook has no such terms"),
        ("slack", "x", "slack has no such terms"),
    ],
)
def test_what_a_platform_would_not_take_is_told(kind, tree, why):
    assert (terms_problem(Terms(kind, tree)) or "").startswith(why)


def test_a_mails_template_adds_no_header_recipient_or_element():
    """All of a hostile value stands in the one header and the two parts that it is put into."""
    tree = {"subject": "[x] {{ body.x }}", "text": "{{ body.x }}", "html": "<p>{{ body.x }}</p>"}
    said = render_tree("email", tree, {"body": {"x": HOSTILE}, "headers": {}}).tree
    made = lay(mailed(a_message()), Terms("email", said))
    assert isinstance(made, Mail)
    mail = message_from_bytes(made.content, policy=default)
    before = message_from_bytes(mailed(a_message()).content, policy=default)
    assert sorted(mail.keys()) == sorted(before.keys())
    assert (mail["To"], mail["From"]) == (before["To"], before["From"])
    assert made.recipients == mailed(a_message()).recipients
    assert mail["Subject"].startswith("[x] @everyone")
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert Markup(mail.get_body(("html",)).get_content()).breaches({"p": set()}) == []
