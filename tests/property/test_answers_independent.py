"""Reading answers as an independent reader does (h11): never laxer where a connection is kept."""

from itertools import pairwise

import h11
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dispatchd.send.answer import Answer, BadAnswer

STARTS = [
    b"HTTP/1.1 200 OK",
    b"HTTP/1.0 200 OK",
    b"HTTP/1.1 204 No Content",
    b"HTTP/1.1 304 Not Modified",
    b"HTTP/1.1 101 Switching",
    b"HTTP/1.1 600",
    b"HTTP/1.1 000 No",
]
FIELDS = [
    b"Content-Length: 5",
    b"content-length:0",
    b"Content-Length: 5, 5",
    b"Content-Length: +5",
    b"Content-Length : 5",
    b"Content-Length: \x0b5",
    b"Content-Length: \xc2\xa05",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding: chun\xe2\x84\xaaed",  # a Kelvin sign, whose lower case is k
    b"Connection: close",
    b"Connection: x, Close",
    b"Connection: keep-alive",
    b"A: b",
    b" folded",
    b"A: b\r",
    b"A: b\n",
    b"junk",
]
BODIES = [
    b"",
    b"hello",
    b"hellox",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"5;a=b\r\nhello\r\n0\r\nT: v\r\n\r\n",
    b"5\r\nhello\r\n0\r\njunk\r\n\r\n",
    b"5\r\nhello\n0\r\n\r\n",
    b"5\nhello\r\n0\r\n\r\n",
    b"+5\r\nhello\r\n0\r\n\r\n",
    b"0x5\r\nhello\r\n0\r\n\r\n",
    b"00000\r\n\r\n",
    b"0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
]
INTERIM = [b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", b"HTTP/1.1 100 \n\n", b"\r\n"]
OF_A_BYTE = st.sampled_from([*b'\0\t\n\x0b\r ",05:;x\x7f\x80\xff'])


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    fields = draw(st.lists(st.sampled_from(FIELDS), max_size=3))
    lines = [draw(st.sampled_from(STARTS)), *fields, b"", draw(st.sampled_from(BODIES))]
    data = bytearray(draw(st.sampled_from(INTERIM)) + b"\r\n".join(lines))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 2))] = bytes([draw(OF_A_BYTE)])
    return bytes(data)


def ours(parts: list[bytes], ended: bool) -> tuple[object, ...] | None:
    """Return what came and whether the connection is kept; None where there is no answer."""
    answer = Answer()
    try:
        complete = any(answer.feed(part) for part in parts) or (ended and answer.eof())
    except BadAnswer:
        return None
    return (answer.status, answer.kept, answer.reusable) if complete else None


def theirs(data: bytes) -> tuple[object, ...] | None:
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="POST", target="/", headers=[("Host", "x")]))
    connection.send(h11.EndOfMessage())
    status, body = 0, b""
    try:
        connection.receive_data(data)
        while True:
            match connection.next_event():
                case h11.Response() as response:
                    status = response.status_code
                case h11.Data() as part:
                    body += bytes(part.data)
                case h11.EndOfMessage():
                    kept = connection.their_state is h11.DONE and not connection.trailing_data[0]
                    return (status, body, kept)
                case h11.InformationalResponse():
                    pass
                case _:
                    return None
    except h11.RemoteProtocolError:
        return None


@given(streams())
@settings(max_examples=400)
@example(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n")
@example(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chun\xe2\x84\xaaed\r\n\r\n0\r\n\r\n")
@example(b"HTTP/1.1 200 OK\r\nContent-Length: \x0b5\r\n\r\nhello")
@example(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\njunk\r\n\r\n")
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: cl\x0bose\r\n\r\n")
@example(b"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n")
@example(
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n0\r\n\r\n"
)
def test_no_connection_is_kept_that_another_reader_would_not_keep(data: bytes) -> None:
    read = ours([data], ended=False)
    if read is not None and read[2]:
        assert theirs(data) == read


@given(data=streams(), cuts=st.lists(st.integers(1, 150), max_size=6), ended=st.booleans())
@settings(max_examples=400)
@example(data=b"HTTP/1.1 204 No\r\n\n\r\nhello", cuts=[18], ended=False)
def test_the_same_is_read_however_it_is_cut(data: bytes, cuts: list[int], ended: bool) -> None:
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    parts = [data[a:b] for a, b in pairwise(places)]
    read, whole = ours(parts, ended), ours([data], ended)
    # What stands behind the end comes too late to be seen, but not to close the connection.
    assert (read and read[:2] == (whole and whole[:2])) or read is whole is None


def test_a_body_behind_an_answer_that_has_none_is_not_the_next_answer() -> None:
    for field in (b"Transfer-Encoding: chunked", b"Content-Length: 5"):
        read = ours([b"HTTP/1.1 204 No Content\r\n" + field + b"\r\n\r\n"], ended=False)
        assert read == (204, b"", False)


@given(streams())
@settings(max_examples=400)
def test_what_both_read_is_the_same(data: bytes) -> None:
    read, other = ours([data], ended=False), theirs(data)
    if read is not None and other is not None:
        assert read[:2] == other[:2]
