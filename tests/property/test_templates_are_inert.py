"""Whatever a body holds, a template's own markup is all the markup that there is."""

import json
import re
from html.parser import HTMLParser
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dispatchd.templates.markup import TYPES
from dispatchd.templates.normal import message_of
from dispatchd.templates.render import CannotRender, render_tree

MARKS = st.text(alphabet="*_~`|<>[]()#-+=.:/\\@&\"'!{}% \n\r\t1aé\x1b\u202e\ud800", max_size=40)
TEXTS = MARKS | st.text(max_size=20) | st.sampled_from(
    ["@everyone", "<!channel>", "<@U1>", "[x](http://h)", "</b><script>", "{{ 7 * 7 }}", "&lt;"]
)  # fmt: skip
BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["a", "b", "items", "__class__", "_x"]), inner)
    ),
    max_leaves=12,
)
TEMPLATES = st.sampled_from(
    [
        "{{ body }}",
        "{{ body.a }}",
        "{{ body.a.b }} {{ body['items'] }}",
        "{{ body.a | upper | truncate(5) }}",
        "{% set x %}{{ body.a }}{% endset %}{{ x }}{{ x[1:] }}{{ x | replace('a', 'b') }}",
        "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(body) ~ body.b }}",
        "{% for x in body %}{{ x }}{{ loop.index }}{% endfor %}",
        "{{ link(body.a, body.b) }}",
        "{{ [body.a, body.b] | join(body.a) }}",
        "{{ body | tojson }}{{ body.a | default(body.b) }}",
        "{{ '%s' | format(body.a) }}{{ '{}'.format(body.a) }}{{ body.a | striptags }}",
        "{{ body.a | date(body.b) }}{{ body.a | urlencode }}{{ body.a | wordwrap(2) }}",
    ]
)


def rendered(variant: str, key: str, text: str, body: Any) -> str | None:
    names = {"body": body, "headers": {}, "event_type": None}
    try:
        return str(render_tree(variant, {key: text}, names).tree[key])
    except CannotRender:
        return None  # it fails for people to read, and nothing is sent of it


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, list[tuple[str, str | None]]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))


@given(text=TEMPLATES, body=BODIES)
def test_html_has_no_element_but_a_link(text: str, body: Any) -> None:
    shown = rendered("telegram", "html", text, body)
    if shown is None:
        return
    elements = Elements()
    elements.feed(shown)
    for tag, attrs in elements.found:
        assert (tag, [name for name, _ in attrs]) == ("a", ["href"])
        assert "link(" in text
        assert re.match("https?://|mailto:", str(attrs[0][1]))


@given(text=TEMPLATES, body=BODIES)
def test_slack_has_no_bracket_but_a_links(text: str, body: Any) -> None:
    shown = rendered("slack", "text", text, body)
    if shown is not None and "link(" not in text:
        assert "<" not in shown
        assert ">" not in shown
        assert not re.search(r"@\w", shown)


@given(text=TEMPLATES, body=BODIES)
def test_every_mark_of_markdown_has_a_backslash_of_its_own(text: str, body: Any) -> None:
    shown = rendered("discord", "content", text, body)
    if shown is not None and "link(" not in text:
        bare = re.sub(r"\\[^0-9A-Za-z\s]", "·", shown)
        assert not re.search(r"[\\`*_~|#<>\[\]()]|://|@\w", bare), shown
        assert not re.search(r"^[ \t]*[-+=]", bare, re.MULTILINE) or "{{ loop" in text, shown


@given(kind=st.sampled_from(sorted(TYPES)), text=TEMPLATES, body=BODIES)
def test_what_is_said_is_clean_text_for_every_type(kind: str, text: str, body: Any) -> None:
    shown = rendered(kind, "text", text, body)
    if shown is not None:
        json.dumps(shown).encode()
        shown.encode()
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", shown)


@given(text=TEMPLATES, body=BODIES)
def test_any_normal_form_is_a_message(text: str, body: Any) -> None:
    tree = {
        "title": text,
        "description": text,
        "url": text,
        "kind": text,
        "colour": text,
        "fields": [{"name": text, "value": text}],
    }
    try:
        made = render_tree("default", tree, {"body": body, "headers": {}}).tree
    except CannotRender:
        return
    message = message_of(made)
    assert message.title == made["title"].strip()
