"""A mail's headers: nothing that a sender writes becomes one, however it is encoded."""

from base64 import b64encode
from dataclasses import replace
from email import message_from_bytes
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatchd.compose.laid_mail import laid_mail
from dispatchd.compose.mail import MailSpeaker
from dispatchd.message import Message
from dispatchd.model import Mail, MailServer, Via

HEADERS = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
]
SPEAKER = MailSpeaker(
    MailServer("mail.example.com", 587, "starttls", None, None, Via()),
    "ops@example.com",
    ("a@example.com",),
    30.0,
)
ENCODED = [
    "=?utf-8?q?hi=0D=0ABcc=3A_evil=40example=2Ecom=0D=0A?= x",
    "=?utf-8?b?" + b64encode(b"hi\r\nBcc: evil@example.com\r\n\r\nbody").decode() + "?=",
    "=?utf-8?q?" + "=0A" * 50 + "?=",
    "a =?utf-8?q?=E2=80=AEgpj?= b",
    "==??utf-8?q?=0D=0ABcc:x?=",
]


def said(title: str) -> bytes:
    mail = SPEAKER.say(Message(title), "key", 0)
    assert isinstance(mail, Mail)
    return mail.content


def told(content: bytes) -> str:
    """Return the subject as a mail program shows it; fail where a header is not ours."""
    mail = message_from_bytes(content, policy=default)
    assert sorted(mail.keys()) == sorted(HEADERS)
    return str(mail["Subject"])


@pytest.mark.parametrize("title", ENCODED)
def test_a_title_that_is_an_encoded_word_stays_text(title: str) -> None:
    assert told(said(title)) == title


@pytest.mark.parametrize("title", ENCODED)
def test_a_templates_subject_that_holds_an_encoded_word_stays_text(title: str) -> None:
    content = laid_mail(said("-"), {"subject": title, "text": "x", "html": "x"})
    assert told(content) == title


PIECES = ("=", "?", "=?utf-8?q?", "=0A", "?=", "é", " ", "word", "x" * 70, "😀", ",;:<>()\"'@", "_")


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=20).map("".join))
def test_a_title_comes_through_as_it_is(title: str) -> None:
    content = said(title)
    lines = content.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert all(line.strip() and len(line) <= 998 and b"\n" not in line for line in lines)
    shown, wanted = told(content), " ".join(title.split()) or "Event"
    assert shown == wanted or (shown[-1] == "…" and wanted.startswith(shown[:-1]))


NAMES = (
    "Ops <ops@example.com>",
    "Ops, Team <ops@example.com>",
    '"Ops, Team" <ops@example.com>',
    "Ops (night; day) <ops@example.com>",
    "Öps <ops@example.com>",
    "ops@example.com",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_beside_an_address_makes_no_other_address(name: str) -> None:
    speaker = replace(SPEAKER, sender=name, recipients=(name, "b@example.com"))
    mail = speaker.say(Message("x"), "key", 0)
    assert isinstance(mail, Mail)
    read = message_from_bytes(mail.content, policy=default)
    assert [a.addr_spec for a in read["From"].addresses] == ["ops@example.com"]
    assert [a.addr_spec for a in read["To"].addresses] == ["ops@example.com", "b@example.com"]
    shown = name.partition("<")[0].strip().strip('"') if "<" in name else ""
    assert read["From"].addresses[0].display_name == shown
    laid = message_from_bytes(laid_mail(mail.content, {"text": "y", "html": "z"}), policy=default)
    assert (laid["From"], laid["To"]) == (read["From"], read["To"])
