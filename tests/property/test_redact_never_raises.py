"""Redaction takes any bytes and any text, and leaves no secret standing."""

from hypothesis import example, given
from hypothesis import strategies as st

from dispatchd.redact import Redactor, header_secrets, url_secrets

TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates too


@given(st.lists(TEXT), TEXT, st.binary())
@example(["\ud800abcdef"], "\udcff\ud800abcdef", b"\xed\xa0\x80abcdef")
def test_it_never_raises(secrets, text, head):
    redactor = Redactor(secrets)
    redactor.text(text)
    redactor.head(head)
    redactor.headers(((text, text),))
    list(header_secrets([(text, text)]))
    list(url_secrets(text))
    list(url_secrets(f"https://{text}"))


@given(st.text(min_size=6, max_size=40), TEXT, TEXT)
def test_no_secret_is_left(secret, before, behind):
    redactor = Redactor([secret])
    assert secret not in redactor.text(before + secret + behind) or secret in "***"
    text = (before + secret + behind).encode("utf-8", "surrogatepass")
    assert secret.encode() not in redactor.head(text)


PART = st.sampled_from(["abcdef", "abcdefg", "bcdefghi", "ghi/<&", "abc", "def", "*", "\n", "é"])
PARTS = st.lists(PART, max_size=5).map("".join)


@given(st.lists(PARTS, max_size=4), st.lists(st.tuples(PARTS, PARTS), max_size=4))
def test_headers_together_are_as_each_alone(secrets, headers):
    redactor = Redactor(secrets)
    alone = tuple((redactor.text(name), redactor.text(value)) for name, value in headers)
    assert redactor.headers(tuple(headers)) == alone
