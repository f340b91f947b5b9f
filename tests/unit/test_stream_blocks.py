"""Server-sent events, as they are written and as they are read: hostile text stays inside."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatchd.admin.stream.blocks import HEARTBEAT, RETRY_MS, block, greeting, passed
from dispatchd.remote import blocks as reading
from dispatchd.remote.blocks import Block, BlockReader

ID = "01a2192a-44cf-7773-a694-878b6d5a21de"
BREAKS = st.sampled_from(
    [b"\n", b"\r", b"\r\n", b"\n\n", b"\n\nevent: x\ndata: y\n\n", b":", b"id: 1"]
)
DATA = st.lists(st.one_of(st.binary(max_size=20), BREAKS), max_size=8).map(b"".join)


def read(raw: bytes, step: int = 10_000) -> list[Block]:
    reader = BlockReader()
    return [one for at in range(0, len(raw), step) for one in reader.feed(raw[at : at + step])]


def test_a_block_is_what_the_standard_says() -> None:
    assert (
        block("event", b'{"a":1}', ID) == b'event: event\ndata: {"a":1}\nid: %s\n\n' % ID.encode()
    )
    assert block("attempt", b"x") == b"event: attempt\ndata: x\n\n"
    assert greeting(ID) == b"retry: %d\nid: %s\n\n" % (RETRY_MS, ID.encode())


@given(DATA, st.integers(1, 30))
def test_data_of_any_bytes_comes_as_one_event(data: bytes, step: int) -> None:
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    raw = HEARTBEAT + block("event", data, ID) + passed(ID) + block("next", b"-")
    assert read(raw, step) == [Block("event", lines, ID), Block("next", b"-", ID)]


@given(st.text(), st.binary(max_size=30), st.integers(1, 30))
def test_json_of_any_text_is_read_back_as_it_was(text: str, body: bytes, step: int) -> None:
    told = {"a": text.encode("utf-8", "replace").decode(), "b": body.decode("latin-1")}
    data = orjson.dumps(told)
    assert data.count(b"\n") == data.count(b"\r") == 0
    (found,) = read(block("event", data, ID), step)
    assert found.data is not None
    assert json.loads(found.data) == told


@pytest.mark.parametrize("word", ["a\nb", "a\rb", "\n", "a\0"])
def test_a_line_break_is_no_part_of_a_name_or_an_id(word: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        block(word, b"")
    with pytest.raises(ValueError, match="line break"):
        block("event", b"", word)
    with pytest.raises(ValueError, match="line break"):
        passed(word)


@pytest.mark.parametrize("line_break", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("step", [1, 2, 3, 1000])
def test_lines_end_in_any_way(line_break: bytes, step: int) -> None:
    lines = [
        b"\xef\xbb\xbf: a comment", b"event:one", b"data: a", b"data", b"data:  b", b"id: 1", b"",
        b"data: c", b"unknown: x", b"id: 2\0", b"",
        b"event: none", b"",
        b"id: 3", b"",
        b"id: 3", b"",
        b"data: cut",
        b": the next",
    ]  # fmt: skip
    assert read(line_break.join(lines), step) == [
        Block("one", b"a\n\n b", "1"),
        Block("message", b"c", "1"),
        Block("", None, "3"),
    ]


def test_an_event_without_an_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "EVENT_MAX_BYTES", 1000)
    for piece in (b"x" * 300, b"data: %s\n" % (b"x" * 290)):
        reader = BlockReader()
        for _ in range(3):
            reader.feed(piece)
        with pytest.raises(ValueError, match="more than 1000 bytes"):
            reader.feed(piece)
    reader = BlockReader()
    for _ in range(20):
        assert len(reader.feed(b"data: %s\n\n" % (b"x" * 290))) == 1
