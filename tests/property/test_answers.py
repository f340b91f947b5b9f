"""Reading answers: however the bytes are cut, the same is read; whatever they are, it ends well."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatchd.send.answer import Answer, BadAnswer

WHOLE = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nRetry-After: 7\r\n\r\nhello",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nA: b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n",
    b"HTTP/1.1 200 OK\nContent-Length: 1\n\nx",
    b"HTTP/1.0 404 No\r\nA: b\r\n folded\r\nContent-Length: 1\r\n\r\nx",
]


def read(parts: list[bytes]) -> tuple[object, ...]:
    answer = Answer()
    complete = False
    for part in parts:
        assert not complete
        complete = answer.feed(part)
    assert complete
    return (answer.status, answer.headers, answer.kept, answer.reusable, answer.retry_after)


@given(st.sampled_from(WHOLE), st.lists(st.integers(1, 150), max_size=12))
@settings(max_examples=500)
def test_an_answer_is_the_same_however_it_is_cut(whole: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    parts = [whole[a:b] for a, b in pairwise(places)]
    assert read(parts) == read([whole])


@given(st.sampled_from(WHOLE), st.binary(min_size=1, max_size=40))
def test_bytes_behind_the_end_are_noticed(whole: bytes, behind: bytes) -> None:
    answer = Answer()
    assert answer.feed(whole + behind)
    assert not answer.reusable


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=20),
            st.sampled_from(
                [
                    *WHOLE,
                    b"HTTP/1.1 200 OK",
                    b"\r\n",
                    b"\n",
                    b"\r\n\r\n",
                    b"Content-Length: 9",
                    b"Transfer-Encoding: chunked",
                    b"HTTP/1.1 103 X\r\n\r\n",
                    b"0\r\n",
                    b"5\r\n",
                ]
            ),
        ),
        max_size=12,
    )
)
@settings(max_examples=500)
def test_any_bytes_end_in_an_answer_or_a_refusal(parts: list[bytes]) -> None:
    answer = Answer()
    try:
        for part in parts:
            if answer.feed(part):
                break
    except BadAnswer:
        return
    for name, value in answer.headers:
        name.encode()
        value.encode()
    assert len(answer.kept) <= 2048
