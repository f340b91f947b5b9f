"""Form bodies as documents."""

import json
from urllib.parse import quote

import pytest

from dispatchd.verify import document_json, form_document, is_form, parse_form

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=X-b"


def multipart(*parts):
    return b"".join(b"--X-b\r\n" + part + b"\r\n" for part in parts) + b"--X-b--\r\n"


def part(name, value, more=""):
    return f'Content-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}'.encode()


@pytest.mark.parametrize(
    ("content_type", "form"),
    [
        (URLENCODED, True),
        (URLENCODED.upper() + "; charset=UTF-8", True),
        (MULTIPART, True),
        ("application/json", False),
        ("", False),
    ],
)
def test_which_content_types_are_forms(content_type, form):
    assert is_form(content_type) is form


@pytest.mark.parametrize(
    ("body", "form"),
    [
        (b"a=1&b=2", {"a": "1", "b": "2"}),
        (b"a=1&a=2&a=3", {"a": ["1", "2", "3"]}),
        (b"a=&b", {"a": "", "b": ""}),
        (b"a=%C3%BC+%26", {"a": "ü &"}),
        (b"", {}),
        (b"a=%ff", {}),
        (b"\xff", {}),
        (b"a=b&" * 1001, {}),
    ],
)
def test_urlencoded(body, form):
    assert parse_form(body, URLENCODED) == form


@pytest.mark.parametrize(
    ("body", "content_type", "form"),
    [
        (multipart(part("a", "1"), part("b", "ü\r\n2")), MULTIPART, {"a": "1", "b": "ü\r\n2"}),
        (multipart(part("a", "1")), 'multipart/form-data; boundary="X-b"', {"a": "1"}),
        (multipart(part("f", "1", '; filename="x"'), part("a", "1")), MULTIPART, {"a": "1"}),
        (multipart(b"no head"), MULTIPART, {}),
        (multipart(part("a", "1")), "multipart/form-data", {}),
        (multipart(part("a", "1")), "multipart/form-data; boundary=" + "x" * 71, {}),
        (multipart(part("a", "1")), "multipart/form-data; boundary=é", {}),
        (multipart(b'Content-Disposition: form-data; name="a"\r\n\r\n\xff'), MULTIPART, {}),
        (multipart(*[part("a", "1")] * 1100), MULTIPART, {}),
        (b"", MULTIPART, {}),
    ],
)
def test_multipart(body, content_type, form):
    assert parse_form(body, content_type) == form


@pytest.mark.parametrize(
    ("body", "document"),
    [
        (b"payload=%7B%22action%22%3A%22opened%22%7D", {"action": "opened"}),
        (b"payload=%7B%22action%22%3A%22opened%22%7D&b=1",
         {"payload": '{"action":"opened"}', "b": "1"}),
        (b"payload=nonsense", {"payload": "nonsense"}),
        (b"payload=%5B1%5D", {"payload": "[1]"}),
        (b"payload=1&payload=2", {"payload": ["1", "2"]}),
        (b"MessageStatus=sent", {"MessageStatus": "sent"}),
    ],
)  # fmt: skip
def test_a_lone_payload_is_the_document(body, document):
    assert form_document(body, URLENCODED) == document


@pytest.mark.parametrize(
    "body",
    [
        b"a=1&b=2",
        b"payload=%7B%22a%22%3A1%7D",
        b"payload=%7B%7D",
        b"payload=nope",
        b"payload=%5B1%5D",
        b"payload=%7B%22a%22%3A1%7D&b=2",
        b"payload=%7B%22a%22%3A%22%5Cud800%22%7D",
        b"",
        b"\xff",
    ],
)
def test_an_expression_sees_the_form_that_a_path_sees(body):
    document = json.loads(document_json(body, URLENCODED))
    assert document == form_document(body, URLENCODED)


def test_a_payloads_depth_and_numbers_are_kept_as_they_came():
    payload = '{"n": 123456789012345678901234567890, "deep": ' + "[" * 500 + "]" * 500 + "}"
    assert document_json(b"payload=" + quote(payload).encode(), URLENCODED) == payload.encode()


def test_what_is_no_form_is_its_own_document():
    assert document_json(b'{"a": 1}', "application/json") == b'{"a": 1}'
    assert document_json(b"a=1", "") == b"a=1"


BOUNDARIES = [
    ("multipart/form-data; boundary*=", {}),
    ("multipart/form-data; boundary*=utf-8''X-b", {}),
    ("multipart/form-data; boundary*0=X-; boundary*1=b", {}),
    ("multipart/form-data; boundary=X-b; boundary=Y", {}),
    ('multipart/form-data; BOUNDARY="X\\-b"', {"a": "1"}),
    ("multipart/form-data;charset=utf-8 ;; boundary=X-b ; ", {"a": "1"}),
    ('multipart/form-data; a="; boundary=Y"; boundary=X-b', {"a": "1"}),
    ('multipart/form-data; a="open; boundary=X-b', {}),
    ("multipart/form-data; boundary=", {}),
    ("multipart/form-data; boundary=X-b" + " " * 2000, {}),
]


@pytest.mark.parametrize(("content_type", "form"), BOUNDARIES)
def test_an_odd_boundary_is_read_or_not_but_never_an_error(content_type, form):
    """`boundary*=` was a TypeError, and so a 500."""
    assert parse_form(multipart(part("a", "1")), content_type) == form


def test_the_semicolons_of_a_content_type_are_bounded():
    """8,100 of them took 100 ms each time: their splitting was quadratic."""
    content_type = "multipart/form-data" + ";" * 8100 + "boundary=X-b"
    assert parse_form(multipart(part("a", "1")), content_type) == {}


@pytest.mark.parametrize(
    ("head", "form"),
    [
        (b'content-disposition: form-data; NAME="a"', {"a": "v"}),
        (b'X-B: y; name="x"\r\nContent-Disposition: form-data; name=a', {"a": "v"}),
        (b'Content-Disposition: form-data; name="a\\"b"', {'a"b': "v"}),
        (b"Content-Disposition: form-data; name=\"a\"; filename*=utf-8''x", {}),
        (b'Content-Disposition: form-data; name="a"\r\nX-Long: ' + b"x" * 5000, {}),
        (b'Content-Disposition: form-data; name="' + b"x" * 201 + b'"', {}),
    ],
)  # fmt: skip
def test_the_head_of_a_part(head, form):
    assert parse_form(multipart(head + b"\r\n\r\nv"), MULTIPART) == form


def test_a_preamble_and_an_epilogue_are_no_parts():
    body = b"read with MIME\r\n" + multipart(part("a", "1")) + b"the end\r\n"
    assert parse_form(body, MULTIPART) == {"a": "1"}
