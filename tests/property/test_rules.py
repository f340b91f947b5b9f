"""Rules that must hold for whatever a sender or a destination thinks of."""

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dispatchd.compose import judge_http
from dispatchd.compose.retry_after import RETRY_AFTER_MAX_MS, retry_after_ms
from dispatchd.match import at_path, compile_event_types, event_type, glob_match, split_path
from dispatchd.model import Dead, Reply, RetryAt
from dispatchd.retry import RetryPolicy, decide, given_up
from dispatchd.store.sqlite.rows import from_key, headers_from_json, headers_to_json, to_key

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
SMALL = st.text("ab*?", max_size=8)
NOW_MS = 1_795_000_000_000


@given(SMALL, st.text("ab", max_size=10))
def test_globs_match_as_a_regular_expression_would(pattern: str, text: str) -> None:
    translated = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern)
    expected = re.fullmatch(translated, text, re.DOTALL) is not None
    assert glob_match(pattern, text) == expected
    if pattern:
        assert compile_event_types([pattern])(text) == expected


def test_many_stars_stay_cheap() -> None:
    assert not glob_match("*a" * 100 + "b", "a" * 255)
    assert not glob_match("*ab" * 20 + "c", "a" * 1_000_000)


@given(JSON, st.text(max_size=20))
def test_any_path_into_any_document(document: Any, path: str) -> None:
    kind = event_type({}, document, split_path(path))
    assert kind is None or kind
    at_path(document, split_path(path))


@given(st.text())
def test_retry_after_is_never_an_error_nor_over_a_day(value: str) -> None:
    assert 0 <= retry_after_ms(value, NOW_MS) <= RETRY_AFTER_MAX_MS


@given(
    st.integers(1, 100),
    st.lists(st.integers(0, 10**9), min_size=1, max_size=10),
    st.floats(0, 1),
    st.integers(1, 200),
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 599),
    st.text(max_size=12) | st.integers(0, 200_000).map(str),
    st.booleans(),
    st.sets(st.integers(300, 599), max_size=300),
)
def test_no_attempt_too_many_none_too_early(  # noqa: PLR0917 - hypothesis hands each in
    max_attempts: int,
    backoff: list[int],
    jitter: float,
    attempt: int,
    roll: float,
    status: int,
    asked: str,
    probe: bool,
    last_words: set[int],
) -> None:
    policy = RetryPolicy(max_attempts, tuple(backoff), jitter, frozenset(last_words))
    judged = judge_http(Reply(status, (), b"", 1.0, retry_after=asked), NOW_MS)
    judged = given_up(policy, judged, status)
    verdict = decide(policy, judged, attempt, NOW_MS, roll, probe=probe)
    if isinstance(verdict, RetryAt):
        assert verdict.counted != (probe or status == 410)
        assert attempt < max_attempts or not verdict.counted
        assert status not in last_words
        delay_ms = verdict.due_ms - NOW_MS
        assert delay_ms >= retry_after_ms(asked, NOW_MS)
        assert delay_ms <= max(max(backoff) * (1 + jitter) + 1, RETRY_AFTER_MAX_MS)
    elif isinstance(verdict, Dead):
        assert status in last_words or (attempt >= max_attempts and not probe and status != 410)


@given(st.uuids())
def test_ids_round_trip(uuid: Any) -> None:
    assert from_key(to_key(str(uuid))) == str(uuid)


@given(st.lists(st.tuples(st.text(), st.text()), max_size=5))
def test_headers_round_trip(headers: list[tuple[str, str]]) -> None:
    assert headers_from_json(headers_to_json(tuple(headers))) == tuple(headers)


def test_headers_that_are_no_text_are_kept_as_far_as_they_go() -> None:
    kept = headers_from_json(headers_to_json((("X", "a\udcffb"),)))
    assert kept == (("X", "a?b"),)
