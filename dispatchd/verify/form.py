"""Form bodies as documents: `application/x-www-form-urlencoded` and `multipart/form-data`.

The body itself is kept and forwarded byte for byte; this reading of it only serves signatures,
event types and filters, so what cannot be read is an empty document, never an error.
"""

import re
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

URLENCODED: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
MAX_FIELDS: Final = 1000
CONTENT_TYPE_MAX_CHARS: Final = 1024  # a boundary is at most 70 of them
PART_HEAD_MAX_BYTES: Final = 4096
NAME_MAX_CHARS: Final = 200
_BOUNDARY_MAX_CHARS: Final = 70  # RFC 2046
_DISPOSITION: Final = b"content-disposition:"

# One parameter with the semicolon before it, or that alone (RFC 9110, 5.6.6). Values are read
# more generously than they should be written: what is not quoted ends at a space or semicolon.
_PARAMETER: Final = re.compile(
    r'[ \t]*;[ \t]*(?:([^\s;="]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*)))?', re.DOTALL
)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)

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
    """Return what paths and filters see of a form: `fields_document` of its fields."""
    return fields_document(parse_form(body, content_type))


def fields_document(form: Form) -> Any:
    """Return a form's fields as a document.

    A form whose only field is `payload` with a JSON object in it (GitHub's form mode, Slack's
    interactions) is that object, so that a path works whichever content type was chosen.
    """
    document = _payload(form)
    return form if document is None else document


def fields_json(form: Form) -> bytes:
    """Return the same as JSON: a payload as it came, with its numbers and its depth."""
    return orjson.dumps(form) if _payload(form) is None else str(form["payload"]).encode()


def document_json(body: bytes, content_type: str) -> bytes:
    """Return a body as the JSON document that expressions see: a form's reading, or the body.

    `content_type` is what the body was kept with; an endpoint that takes only JSON keeps
    `application/json`, whatever the sender said. A body that is neither a form nor JSON comes
    back as it is: no expression yields anything over it.
    """
    return fields_json(parse_form(body, content_type)) if is_form(content_type) else body


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
    delimiter = b"\r\n--" + _boundary(content_type)
    parts = body.split(delimiter, MAX_FIELDS + 2)
    if parts[0].startswith(delimiter[2:]):  # no preamble, as is usual
        parts[0] = parts[0][len(delimiter) - 2 :]
    else:
        del parts[0]
    if len(parts) > MAX_FIELDS + 1:
        raise ValueError("too many fields")
    pairs = []
    for part in parts:
        if part.startswith(b"--"):
            break
        blank = part.find(b"\r\n\r\n", 0, PART_HEAD_MAX_BYTES)
        name = _field_name(part[:blank]) if blank >= 0 else None
        if name is not None:
            pairs.append((name, part[blank + 4 :].decode("utf-8")))
    return pairs


def _field_name(head: bytes) -> str | None:
    """Return the name of a part; None where it has none, or is an uploaded file."""
    for line in head.split(b"\r\n"):
        if line[: len(_DISPOSITION)].lower() == _DISPOSITION:
            given = _parameters(line.decode("utf-8"))
            name = given.get("name")
            upload = "filename" in given or "filename*" in given
            return None if upload or name is None or len(name) > NAME_MAX_CHARS else name
    return None


def _boundary(content_type: str) -> bytes:
    if len(content_type) > CONTENT_TYPE_MAX_CHARS:
        raise ValueError("the content type is too long")
    boundary = _parameters(content_type).get("boundary", "")
    if not 1 <= len(boundary) <= _BOUNDARY_MAX_CHARS:
        raise ValueError("no boundary")
    return boundary.encode("ascii")


def _parameters(value: str) -> dict[str, str]:
    """Return the parameters of a header's value, names in lower case, in one pass.

    Raises ValueError for what is no parameter, or one that is given twice: whoever else reads
    the header might read the other.
    """
    given: dict[str, str] = {}
    at = value.find(";")
    while 0 <= at < len(value):
        match = _PARAMETER.match(value, at)
        if match is None:
            if value[at:].isspace():
                break
            raise ValueError("a parameter is malformed")
        at = match.end()
        name, quoted, plain = match.groups()
        if name is None:
            continue
        if name.lower() in given:
            raise ValueError("a parameter is given twice")
        given[name.lower()] = _ESCAPED.sub(r"\1", quoted) if quoted is not None else plain
    return given
