"""What a template says in an e-mail's own terms, `subject`, `text` and `html`. Pure."""

import re
from collections.abc import Mapping
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP
from hashlib import sha256
from html import unescape
from typing import Final

from dispatchd.compose.mail import SUBJECT_MAX, with_subject

_TAG: Final = re.compile(r"<[^>]*>")


def laid_mail(content: bytes, tree: Mapping[str, str]) -> bytes:
    """Return a mail with its headers, whose subject and parts the tree says."""
    mail = BytesParser(EmailMessage, policy=SMTP).parsebytes(content)
    subject = " ".join(tree["subject"].split())[:SUBJECT_MAX] if "subject" in tree else None
    if subject is not None:
        mail.replace_header("Subject", "-")
    html = tree.get("html", "")
    text = tree.get("text") or unescape(_TAG.sub("", html))
    boundary = f"=_{sha256(text.encode()).hexdigest()[:32]}"  # else it would be random
    mail.clear_content()
    mail.set_content(text, cte="quoted-printable")
    if html:
        mail.make_alternative(boundary=boundary)
        mail.add_alternative(html, subtype="html", cte="quoted-printable")
    laid = mail.as_bytes()
    return laid if subject is None else with_subject(laid, subject)
