"""Strangers' text in each platform's markup: shown as it is, and nothing else."""

import re
from html.parser import HTMLParser

import pytest

from dispatchd.templates.markup import SYNTAXES, TYPES, is_link, syntax_of

HOSTILE = {
    "markdown": [
        (
            "**bold** _it_ ~~s~~ `c` ||spoiler||",
            r"\*\*bold\*\* \_it\_ \~\~s\~\~ \`c\` \|\|spoiler\|\|",
        ),
        ("[text](http://evil)", r"\[text\]\(http\://evil\)"),
        (
            "<@123> <#1> <@&5> <:x:1> <t:1>",
            "\\<@\u200b123\\> \\<\\#1\\> \\<@&5\\> \\<:x:1\\> \\<t:1\\>",
        ),
        ("@everyone @here", "@\u200beveryone @\u200bhere"),
        ("# h\n> q\n- l\n1. n\n+ p", "\\# h\n\\> q\n\\- l\n1\\. n\n\\+ p"),
        ("a\\*b", r"a\\\*b"),
        ("v1.2.3 at 12:30", "v1.2.3 at 12:30"),
        ("![x](y) $a$", r"\!\[x\]\(y\) \$a\$"),
        ("https://evil.example", "https\\://evil.example"),
    ],
    "slack": [
        ("<!channel> <@U1> <http://x|y>", "&lt;!channel&gt; &lt;@\u200bU1&gt; &lt;http://x|y&gt;"),
        ("a & b", "a &amp; b"),
        ("*bold* _it_ ~s~ `c`", "∗bold∗ ˍitˍ ∼s∼ ˋcˋ"),  # noqa: RUF001
        ("snake_case 2*3", "snake_case 2*3"),
        ("> quoted", "\u200b&gt; quoted"),
        ("@here", "@\u200bhere"),
    ],
    "googlechat": [
        ("<users/all> <http://x|y>", "<\u200busers/all> <\u200bhttp://x|y>"),
        ("*b*", "∗b∗"),  # noqa: RUF001
    ],
    "html": [
        ("<b>x</b>", "&lt;b&gt;x&lt;/b&gt;"),
        ("\" onmouseover='x'", "&quot; onmouseover=&#x27;x&#x27;"),
        ("&lt;", "&amp;lt;"),
    ],
    "chat": [("@room @joe <b> joe@h", "@\u200broom @\u200bjoe <b> joe@\u200bh")],
    "chat_html": [("@joe <b>", "@\u200bjoe &lt;b&gt;")],
    "plain": [
        ("<b> *x* @here", "<b> *x* @here"),
        ("a\x1b[31m\x00b\u202e\ufeffc", "a[31mbc"),
        ("a\r\nb\rc\td", "a\nb\nc\td"),
        ("half \ud800 a pair", "half ? a pair"),
    ],
    "line": [("Subject\r\nBcc: evil@example.com", "Subject Bcc: evil@example.com")],
    "url": [
        ('https://h/a b\n"<>', "https://h/a%20b%0A%22%3C%3E"),
        ("https://h/a_b?c=1&d=%20#e", "https://h/a_b?c=1&d=%20#e"),
    ],
}


@pytest.mark.parametrize(
    ("syntax", "text", "inert"), [(s, *pair) for s, pairs in HOSTILE.items() for pair in pairs]
)
def test_what_is_hostile_is_shown_as_it_is(syntax, text, inert):
    assert SYNTAXES[syntax].escape(text) == inert


@pytest.mark.parametrize("syntax", ["markdown", "slack", "googlechat", "chat", "chat_html"])
def test_two_values_side_by_side_mention_nobody(syntax):
    """`{{ body.a }}{{ body.b }}` of "@" and "everyone" was a mention."""
    assert "@everyone" not in "".join(map(SYNTAXES[syntax].escape, ["@", "everyone"]))


@pytest.mark.parametrize("at", [5, 6, 7])
def test_two_values_side_by_side_are_no_bare_link(at):
    escape = SYNTAXES["markdown"].escape
    assert not re.search(r"(?<!\\)://", escape("http://h"[:at]) + escape("http://h"[at:]))


def test_what_is_for_a_program_is_exact():
    assert SYNTAXES["exact"].escape("a\x1b\x00\u202e\r\n*_<@ \ud800") == "a\x1b\x00\u202e\r\n*_<@ ?"


@pytest.mark.parametrize("syntax", sorted(SYNTAXES.keys() - {"exact"}))
def test_what_commands_a_screen_is_dropped_everywhere(syntax):
    escaped = SYNTAXES[syntax].escape("a\x1b\x00\u202e\u2066\u200b\x9bb")
    assert re.sub("%..", "", escaped) == "ab"


LINKS = [
    ("markdown", "https://h/(a)", "a]b", r"[a\]b](https://h/%28a%29)"),
    ("discord", "https://h/(a)<b>", "a]b", r"[a\]b](<https://h/%28a%29%3Cb%3E>)"),
    ("slack", "https://h/?a=1&b=|2", "a|b>", "<https://h/?a=1&amp;b=%7C2|a¦b&gt;>"),
    ("googlechat", "https://h/", "x", "<https://h/|x>"),
    ("html", 'https://h/"x', "<i>", '<a href="https://h/%22x">&lt;i&gt;</a>'),
    ("plain", "https://h/", "x", "x (https://h/)"),
    ("plain", "https://h/", "", "https://h/"),
    ("url", "https://h/", "x", "https://h/"),
]


@pytest.mark.parametrize(("syntax", "address", "text", "link"), LINKS)
def test_a_link_is_spelled_in_the_targets_syntax(syntax, address, text, link):
    assert SYNTAXES[syntax].linked(address, text) == link


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "//h/x", "/x", "", "data:text/html,x", "http://[", "x y"]
)
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_an_address_that_leads_nowhere_good_is_no_link(syntax, address):
    assert SYNTAXES[syntax].linked(address, "text") == "text"
    assert not is_link(address)


def test_html_of_a_stranger_makes_no_element():
    class Elements(HTMLParser):
        found: list[str]

        def handle_starttag(self, tag, attrs):
            self.found.append(tag)

    parser = Elements()
    parser.found = []
    parser.feed(f"<p>{SYNTAXES['html'].escape('<script>x</script><img src=x onerror=y>')}</p>")
    assert parser.found == ["p"]


PLACES = [
    ("discord", {}, ("embeds", 0, "description"), "discord"),
    ("discord", {}, ("embeds", 0, "url"), "url"),
    ("discord", {}, ("embeds", 0, "author", "icon_url"), "url"),
    ("slack", {}, ("blocks", 0, "text", "text"), "slack"),
    ("telegram", {}, ("html",), "chat_html"),
    ("telegram", {}, ("text",), "chat"),
    ("telegram", {"parse_mode": "HTML"}, ("text",), "chat_html"),
    ("googlechat", {}, ("text",), "googlechat"),
    ("googlechat", {}, ("cardsV2", 0, "card", "header", "title"), "html"),
    ("matrix", {}, ("body",), "chat"),
    ("matrix", {}, ("formatted_body",), "chat_html"),
    ("matrix", {}, ("html",), "chat_html"),
    ("ntfy", {}, ("message",), "plain"),
    ("ntfy", {"markdown": True}, ("message",), "markdown"),
    ("pushover", {"html": 1}, ("message",), "html"),
    ("gotify", {"extras": {"client::display": {"contentType": "text/markdown"}}}, ("message",),
     "markdown"),
    ("email", {}, ("subject",), "line"),
    ("email", {}, ("text",), "plain"),
    ("email", {}, ("html",), "html"),
    ("default", {}, ("description",), "plain"),
    ("default", {}, ("url",), "url"),
    ("command", {}, ("env", "url"), "exact"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "tree", "path", "syntax"), PLACES)
def test_each_place_has_its_syntax(kind, tree, path, syntax):
    assert syntax_of(kind, tree, path) == syntax


def test_every_type_has_a_syntax_that_there_is():
    assert set(TYPES.values()) <= set(SYNTAXES)
