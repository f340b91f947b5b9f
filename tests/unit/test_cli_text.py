"""How commands spell what senders sent, and times and sizes."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatchd.cli.text import (
    body_text,
    clock_time,
    distance,
    iso,
    plural,
    pretty_json,
    size,
    span,
    to_json,
)
from dispatchd.shapes.spelling import bytes_field
from dispatchd.strangers import printable


@settings(deadline=None)
@given(st.text(st.characters()))
def test_nothing_unprintable_gets_through(text):
    assert printable(text).isprintable()
    assert to_json({"a": text}, indent=False).isprintable()


@settings(deadline=None)
@given(st.binary())
def test_bodies_keep_their_lines_and_nothing_else(body):
    assert all(c.isprintable() or c in "\n\t" for c in body_text(body))


def test_escapes_by_size():
    assert printable("a\x1b\x9b\u202e\U000e0001é") == r"a\x1b\x9b\u202e\U000e0001é"


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(deadline=None)
@given(JSON, st.sampled_from([None, 1]))
def test_pretty_json_means_the_same(document, indent):
    for ascii_only in (True, False):
        text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
        assert json.loads(pretty_json(text)) == document


def test_pretty_json_keeps_the_senders_spelling():
    assert pretty_json('{"a":1.10,"a":[],"b":{"c":[1e400,"x\\u00e9:,{"]}}') == (
        '{\n  "a": 1.10,\n  "a": [],\n  "b": {\n    "c": [\n      1e400,\n'
        '      "x\\u00e9:,{"\n    ]\n  }\n}'
    )


@pytest.mark.parametrize("text", ["", "{", "nope", "[" * 100_000])
def test_pretty_json_of_anything_else_is_none(text):
    assert pretty_json(text) is None


def test_bytes_for_json():
    assert bytes_field("body", "é".encode()) == {"body": "é"}
    assert bytes_field("body", b"\xff") == {"body_base64": "/w=="}


def test_times():
    assert iso(1_700_000_000_007) == "2023-11-14T22:13:20.007Z"
    assert clock_time(0) == "1970-01-01 00:00:00.000 UTC"
    assert [span(ms) for ms in (-5, 999, 59_999, 60_000, 7_200_000, 40 * 86_400_000)] == [
        "0s",
        "0s",
        "59s",
        "1m",
        "2h",
        "40d",
    ]
    assert distance(0, 5000) == "5s ago"
    assert distance(5000, 0) == "in 5s"


def test_sizes_and_counts():
    sizes = (0, 1023, 1024, 1536, 10 * 1024**2, 3 * 1024**3, 2 * 1024**4)
    assert [size(n) for n in sizes] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.5 KiB",
        "10.0 MiB",
        "3.0 GiB",
        "2.0 TiB",
    ]
    assert plural(1, "delivery") == "1 delivery"
    assert plural(1200, "delivery") == "1,200 deliveries"
    assert plural(0, "event") == "0 events"
    assert plural(2, "replay") == "2 replays"
