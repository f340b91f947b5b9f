"""Type `email`: a message by SMTP, as text and as HTML.

By RFC 5322 and RFC 2046: multipart/alternative, lines of at most 998 bytes by quoted-printable.
`Auto-Submitted` (RFC 3834) keeps vacation replies away, and the Message-ID is the delivery's, so
that one that comes twice can be known. Success is a 2xx answer of SMTP to the message; 4xx and
5xx are failures, both tried again: mail servers often say 5xx for what passes (RFC 5321 4.2.1).

Inert: no line break reaches a header, and what looks like an encoded word (RFC 2047) is encoded
itself; all is escaped in the HTML, which names nothing to load.
"""

from base64 import b64encode
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from hashlib import sha256
from html import escape
from typing import Final

from dispatchd.compose.speaker import Speaker
from dispatchd.compose.text import (
    body_of,
    colour_of,
    fields_of,
    fit,
    lines,
    link_of,
    one_line,
    title_of,
)
from dispatchd.frozen import frozen
from dispatchd.message import Message
from dispatchd.model import (
    Delivered,
    ErrorClass,
    Failed,
    Failure,
    Judged,
    Mail,
    MailServer,
    Outcome,
    Whose,
)

SUBJECT_MAX: Final = 200
PLAIN_MAX: Final = 66  # a line has 76 characters where it has encoded words, 78 elsewhere
WORD_MAX_BYTES: Final = 39  # of which 64 characters are made
TEXT_MAX: Final = 20_000
FIELDS_MAX: Final = 50
_SUCCESS: Final = range(200, 300)
_CELL: Final = "padding:2px 12px 2px 0;vertical-align:top"


@frozen(repr=False)
class MailSpeaker(Speaker):
    """Sends from `sender` to `recipients`, both addresses, perhaps with names."""

    server: MailServer
    sender: str
    recipients: tuple[str, ...]
    timeout_s: float

    def say(self, message: Message, key: str, now_ms: int) -> Mail:
        """Compose the mail."""
        sender, recipients = address_of(self.sender), tuple(map(address_of, self.recipients))
        mail = EmailMessage(policy=SMTP)
        mail["From"] = sender
        mail["To"] = recipients
        mail["Subject"] = "-"
        mail["Date"] = format_datetime(datetime.fromtimestamp(now_ms / 1000, UTC))
        mail["Message-ID"] = f"<{key}@{sender.domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        text, html = text_of(message), html_of(message)
        # Else it would be random; quoted-printable text never holds "=_".
        boundary = f"=_{sha256(text.encode()).hexdigest()[:32]}"
        mail.set_content(text, cte="quoted-printable")
        mail.make_alternative(boundary=boundary)
        mail.add_alternative(html, subtype="html", cte="quoted-printable")
        return Mail(
            self.server,
            sender.addr_spec,
            tuple(recipient.addr_spec for recipient in recipients),
            with_subject(mail.as_bytes(), fit(title_of(message), SUBJECT_MAX)),
            self.timeout_s,
        )

    def judge(self, outcome: Outcome, now_ms: int) -> Judged:
        """Judge by SMTP's status."""
        if isinstance(outcome, Failure):
            ours = outcome.error is ErrorClass.INTERNAL
            return Failed(outcome.error, Whose.OURS if ours else Whose.THEIRS)
        return Delivered() if outcome.status in _SUCCESS else Failed(ErrorClass.REJECTED)


def with_subject(content: bytes, subject: str) -> bytes:
    """Return a mail whose subject is `-` with another, of one line.

    `email` itself would decode what looks like an encoded word, even to line breaks, and write
    what it read; and it folds some words in two.
    """
    plain = subject.isascii() and subject.isprintable() and "=?" not in subject
    if plain and len(subject) <= PLAIN_MAX:
        return content.replace(b"\r\nSubject: -\r\n", b"\r\nSubject: %b\r\n" % subject.encode(), 1)
    words, word = [], b""
    for character in subject:
        coded = character.encode("utf-8", "replace")
        if len(word) + len(coded) > WORD_MAX_BYTES:
            words.append(word)
            word = b""
        word += coded
    spelled = b"\r\n ".join(b"=?utf-8?b?%b?=" % b64encode(word) for word in [*words, word])
    return content.replace(b"\r\nSubject: -\r\n", b"\r\nSubject: %b\r\n" % spelled, 1)


def address_of(text: str) -> Address:
    """Read `ops@example.com` or `Ops <ops@example.com>`. Raises ValueError for anything else."""
    named, bracket, rest = text.rpartition("<")
    spec = rest.removesuffix(">") if bracket and rest.endswith(">") else text
    local, at, domain = spec.rpartition("@")
    if not at or not local or not domain or not spec.isascii() or not spec.isprintable():
        raise ValueError("is no address")
    if any(c in spec for c in ' <>,;:()[]"\\'):
        raise ValueError("is no address")
    return Address(display_name=named.strip().strip('"') if bracket else "", addr_spec=spec)


def text_of(message: Message) -> str:
    """Return the text part."""
    parts = (title_of(message), body_of(message, TEXT_MAX), link_of(message))
    return "\n\n".join(part for part in parts if part) + "\n"


def html_of(message: Message) -> str:
    """Return the HTML part."""
    title = fit(title_of(message), 1000, escape)
    if (link := link_of(message)) is not None:
        title = f'<a href="{escape(link)}">{title}</a>'
    described = fit(lines(message.description), TEXT_MAX, escape).replace("\n", "<br>\n")
    rows = "\n".join(
        f'<tr><th align="left" style="{_CELL}">{fit(field.name, 200, escape)}</th>'
        f'<td style="{_CELL}">{fit(field.value, 2000, escape)}</td></tr>'
        for field in fields_of(message, FIELDS_MAX)
    )
    footer = fit(one_line(message.footer), 500, escape)
    return (
        '<!doctype html>\n<html><body style="font-family:sans-serif">\n'
        f'<div style="border-left:4px solid {colour_of(message)};padding-left:12px">\n'
        f"<h2>{title}</h2>\n"
        + (f"<p>{described}</p>\n" if described else "")
        + (f"<table>\n{rows}\n</table>\n" if rows else "")
        + (f'<p style="color:#57606a"><small>{footer}</small></p>\n' if footer else "")
        + "</div>\n</body></html>\n"
    )
