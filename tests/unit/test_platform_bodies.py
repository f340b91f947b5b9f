"""What is composed for each platform keeps to its rules, and nothing in it is more than text."""

from email import message_from_bytes
from email.policy import default

import pytest
from nouns import NOW_MS
from platform_parts import Markup, arrived
from platforms import PLATFORMS
from speakers import (
    APPRISE_SPEAKER,
    HOSTILE,
    KEY,
    SPEAKERS,
    breaches,
    mailed,
    message,
)

from dispatchd.message import Field, Kind, Message
from dispatchd.model import Notice, Request

LONG = "word " * 20_000
MESSAGES = {
    "plain": message(),
    "bare": Message("t"),
    "blank": Message(" \x00\u200b ", " \n ", "", (Field("", ""), Field("n", " ")), footer=" "),
    "long": message(
        title=LONG,
        description=LONG,
        url="https://h/" + "x" * 2000,
        fields=tuple(Field(LONG, LONG) for _ in range(60)),
        footer=LONG,
    ),
    "wide": message(
        title="🦊" * 9000,
        description="<&>\n" * 9000,
        fields=tuple(Field("🦊" * 999, "\"\\'&<" * 999) for _ in range(60)),
    ),
    "hostile": message(
        title=HOSTILE,
        description=HOSTILE * 3,
        fields=tuple(Field(HOSTILE, HOSTILE) for _ in range(9)),
        footer=HOSTILE,
    ),
    "entities": message(url="https://h/?" + "&" * 2000, title="&" * 5000),
}
BAD_URLS = (
    "javascript:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "//evil.example/x",
    "https://github.com@evil.example/",
    "https://",
    "https://h/\nBcc: x",
    "https://[::1",
    "https://ex\u00e4mple/",
    "http://h|x/",
    "x" * 5000,
)


@pytest.mark.parametrize("name", PLATFORMS)
@pytest.mark.parametrize("which", MESSAGES)
def test_no_rule_is_broken(name: str, which: str) -> None:
    assert breaches(name, MESSAGES[which]) == []


@pytest.mark.parametrize("name", PLATFORMS)
@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_its_looks(name: str, kind: Kind) -> None:
    said = {k: SPEAKERS[name].say(message(kind=k), KEY, NOW_MS) for k in Kind}
    assert breaches(name, message(kind=kind)) == []
    if name != "pushover":  # which has no colours
        assert said[Kind.FAILURE] != said[Kind.SUCCESS]


@pytest.mark.parametrize("name", PLATFORMS)
@pytest.mark.parametrize("url", BAD_URLS)
def test_only_a_plain_link_is_one(name: str, url: str) -> None:
    request = SPEAKERS[name].say(message(url=url), KEY, NOW_MS)
    assert isinstance(request, Request)
    assert url.split("\n", maxsplit=1)[0].encode() not in request.body
    assert breaches(name, message(url=url)) == []


@pytest.mark.parametrize("name", PLATFORMS)
def test_what_matters_is_there(name: str) -> None:
    request = SPEAKERS[name].say(message(), KEY, NOW_MS)
    assert isinstance(request, Request)
    it = arrived(request)
    told = it.body.decode().replace("\\\\", "")
    for text in ("pull request", "Fix it", "second line", "octocat", "/octo/repo/pull/5"):
        assert text in told, text
    assert it.headers["content-type"] == "application/json"
    assert it.headers["user-agent"].startswith("dispatchd/")


def test_a_title_is_cut_by_words_of_its_own_and_not_within_an_escape() -> None:
    request = SPEAKERS["discord"].say(message(title="*" * 300), KEY, NOW_MS)
    assert isinstance(request, Request)
    title = arrived(request).document["embeds"][0]["title"]
    assert title == "\\*" * 127 + "…"


def test_a_thread_is_named() -> None:
    request = SPEAKERS["discord"].say(message(), KEY, NOW_MS)
    assert isinstance(request, Request)
    assert arrived(request).query == {"wait": "true", "thread_id": "77"}
    request = SPEAKERS["googlechat"].say(message(), KEY, NOW_MS)
    assert isinstance(request, Request)
    assert arrived(request).document["thread"] == {"threadKey": "x"}
    assert "messageReplyOption" in arrived(request).query
    request = SPEAKERS["telegram"].say(message(), KEY, NOW_MS)
    assert isinstance(request, Request)
    assert arrived(request).document["message_thread_id"] == 5


def test_a_transaction_is_the_deliverys_own() -> None:
    first, again = (SPEAKERS["matrix"].say(message(), KEY, now) for now in (NOW_MS, NOW_MS + 9))
    other = SPEAKERS["matrix"].say(message(), KEY + "1", NOW_MS)
    assert first == again
    assert first != other


def test_apprise_is_given_plain_text_without_mentions() -> None:
    notice = APPRISE_SPEAKER.say(MESSAGES["hostile"], KEY, NOW_MS)
    assert isinstance(notice, Notice)
    assert notice.kind == "success"
    assert 1 <= len(notice.body) <= 3100
    for mention in ("@everyone", "<@U", "<!channel", "\x1b", "\r"):
        assert mention not in notice.title + notice.body


@pytest.mark.parametrize("which", MESSAGES)
def test_a_mail_is_two_texts_and_our_own_headers(which: str) -> None:
    mail = mailed(MESSAGES[which])
    read = message_from_bytes(mail.content, policy=default)
    assert sorted(read.keys()) == [
        "Auto-Submitted",
        "Content-Type",
        "Date",
        "From",
        "MIME-Version",
        "Message-ID",
        "Subject",
        "To",
    ]
    assert (mail.sender, mail.recipients) == ("ops@example.com", ("a@example.com",))
    assert read["Message-ID"] == f"<{KEY}@example.com>"
    assert max(map(len, mail.content.split(b"\r\n"))) <= 998
    assert not read.defects
    text, html = (part.get_content() for part in read.iter_parts())
    allowed: dict[str, set[str]] = {
        tag: {"style", "align"} for tag in ("body", "div", "p", "td", "th")
    }
    plain = ("html", "h2", "table", "tr", "br", "small")
    allowed |= {"a": {"href"}} | {tag: set() for tag in plain}
    assert Markup(html).breaches(allowed) == []
    assert text.strip()


def test_a_mail_reads_well() -> None:
    read = message_from_bytes(mailed(message()).content, policy=default)
    text = read.get_body(("plain",))
    assert text is not None
    assert text.get_content().replace("\r\n", "\n") == (
        "octo/repo: pull request #5 opened: Fix it\n\nFirst line\nsecond line\n\n"
        "By: octocat\nBranch: fix → main\n\ngithub · pull_request\n\n"
        "https://github.com/octo/repo/pull/5\n"
    )
    assert read["Subject"] == "octo/repo: pull request #5 opened: Fix it"
