"""Strangers' text: nothing of it commands a terminal, and all of it can be kept."""

import json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatchd.strangers import printable, printable_json, utf8

COMMANDS = "\x1b\x7f\x85\x9b\u061c\u200f\u2028\u2029\u202e\u2066\ufeff\U000e0001"


@settings(deadline=None)
@given(st.text(st.characters()))
def test_nothing_unprintable_gets_through(text):
    assert printable(text).isprintable()
    assert printable(printable(text)) == printable(text)


@settings(deadline=None)
@given(st.text())
def test_json_means_the_same_and_is_printable(text):
    line = printable_json(orjson.dumps({"a": text, text: 1}))
    assert line.decode().isprintable()
    assert json.loads(line) == {"a": text, text: 1}


@pytest.mark.parametrize("char", COMMANDS, ids=[f"U+{ord(c):04X}" for c in COMMANDS])
def test_what_commands_a_terminal_is_escaped(char):
    assert char not in printable(f"a{char}b")
    line = printable_json(orjson.dumps([f"a{char}é"])).decode()
    assert char not in line
    assert json.loads(line) == [f"a{char}é"]


def test_escapes_by_size():
    assert printable("a\x1b\x9b\u202e\U000e0001é\n") == r"a\x1b\x9b\u202e\U000e0001é\x0a"
    assert printable("a\n\tb\r", lines=True) == "a\n\tb\\x0d"


@settings(deadline=None)
@given(st.text(st.characters()))
def test_lone_surrogates_are_replaced_and_nothing_else(text):
    kept = utf8(text)
    assert kept.encode().decode() == kept
    assert len(kept) == len(text)
    assert all(
        a == b or (b == "?" and 0xD800 <= ord(a) <= 0xDFFF) for a, b in zip(text, kept, strict=True)
    )
