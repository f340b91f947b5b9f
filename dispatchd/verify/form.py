"""Form bodies as documents: `application/x-www-form-urlencoded` and `multipart/form-data`.

The body itself is kept and forwarded byte for byte; this reading of it only serves signatures,
event types and filters, so what cannot be read is an empty document, never an error.
"""

import re
from email.message import Message
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

URLENCODED: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
MAX_FIELDS: Final = 1000
_FIELD_NAME: Final = re.compile(r'[;\s]name="([^"\r\n]{0,200})"', re.IGNORECASE)
_FILE_NAME: Final = re.compile(r"[;\s]filename\*?=", re.IGNORECASE)

Form = dict[str, str | list[str]]


def media_type(content_type: str) -> str:
    """Return `type/subtype` in lower case, without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def is_form(content_type: str) -> bool:
    """Whether a body of this content type is a form."""
    return media_type(content_type) in (URLENCODED, MULTIPART)


def urlencoded_pairs(body: bytes) -> list[tuple[str, str]]:
    """Decode an urlencoded body strictly; ValueError for bad UTF-8 or too many fields."""
    text = body.decode("ascii")
    return parse_qsl(
        text, keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=MAX_FIELDS
    )


def parse_form(body: bytes, content_type: str) -> Form:
    """Return a form's fields; a repeated one as a list, an uploaded file not at all."""
    try:
        if media_type(content_type) == URLENCODED:
            pairs = urlencoded_pairs(body)
        elif media_type(content_type) == MULTIPART:
            pairs = _multipart_pairs(body, content_type)
        else:
            return {}
    except ValueError:
        return {}
    form: Form = {}
    for name, value in pairs:
        known = form.get(name)
        if known is None:
            form[name] = value
        elif isinstance(known, list):
            known.append(value)
        else:
            form[name] = [known, value]
    return form


def form_document(body: bytes, content_type: str) -> Any:
    """Return what paths and filters see of a form.

    A form whose only field is `payload` with a JSON object in it (GitHub's form mode, Slack's
    interactions) is that object, so that a path works whichever content type was chosen.
    """
    form = parse_form(body, content_type)
    document = _payload(form)
    return form if document is None else document


def document_json(body: bytes, content_type: str) -> bytes:
    """Return a body as the JSON document that expressions see: a form's reading, or the body.

    `content_type` is what the body was kept with; an endpoint that takes only JSON keeps
    `application/json`, whatever the sender said. A body that is neither a form nor JSON comes
    back as it is: no expression yields anything over it.
    """
    if not is_form(content_type):
        return body
    form = parse_form(body, content_type)
    if _payload(form) is not None:
        return str(form["payload"]).encode()  # as it came: its numbers and its depth
    return orjson.dumps(form)


def _payload(form: Form) -> dict[str, Any] | None:
    """Return the JSON object in a form that is nothing but its `payload`."""
    payload = form.get("payload") if len(form) == 1 else None
    if not isinstance(payload, str):
        return None
    try:
        document = orjson.loads(payload)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _multipart_pairs(body: bytes, content_type: str) -> list[tuple[str, str]]:
    """Split a multipart body at its boundary, as RFC 7578 writes it."""
    boundary = _boundary(content_type)
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary, MAX_FIELDS + 2)
    if len(parts) > MAX_FIELDS + 2:
        raise ValueError("too many fields")
    pairs = []
    for part in parts[1:]:
        if part.startswith(b"--"):
            break
        head, blank, value = part.partition(b"\r\n\r\n")
        disposition = head.decode("utf-8")
        name = _FIELD_NAME.search(disposition)
        if blank and name is not None and not _FILE_NAME.search(disposition):
            pairs.append((name.group(1), value.decode("utf-8")))
    return pairs


def _boundary(content_type: str) -> bytes:
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_param("boundary")
    if not isinstance(boundary, str) or not 1 <= len(boundary) <= 70:  # noqa: PLR2004 - RFC 2046
        raise ValueError("no boundary")
    return boundary.encode("ascii")
