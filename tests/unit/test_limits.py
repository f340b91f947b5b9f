"""Token buckets: how they fill, empty and forget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatchd.limits import Limiter, Rate, read_rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("100/s", Rate(100.0, 100)),
        ("600/m", Rate(10.0, 600)),
        ("90/m", Rate(1.5, 90)),
        ("3/m", Rate(0.05, 3)),
        ("1/h", Rate(1 / 3600, 1)),
    ],
)
def test_a_rate_is_read(text: str, rate: Rate) -> None:
    assert read_rate(text) == rate


@pytest.mark.parametrize(
    "text", ["", "0/s", "10", "10/d", "-1/s", "1.5/s", "10 / s", "\u0661/s", "1/s\n"]
)
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match="not a rate"):
        read_rate(text)


def test_a_burst_then_the_rate() -> None:
    limiter = Limiter(Rate(2.0, 3))
    assert [limiter.take("a", 0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert limiter.take("a", 0.25) == 0.25  # refused requests cost nothing
    assert limiter.take("a", 0.5) == 0.0
    assert limiter.take("a", 0.5) == 0.5
    assert limiter.take("a", 100.0) == 0.0  # and fills no further than its burst
    assert [limiter.take("a", 100.0) for _ in range(3)] == [0.0, 0.0, 0.5]


def test_keys_are_apart_and_the_longest_unseen_is_forgotten() -> None:
    limiter = Limiter(Rate(1.0, 1), keys_max=2)
    assert limiter.take("a", 0.0) == 0.0
    assert limiter.take("b", 0.0) == 0.0
    assert limiter.take("a", 0.0) == 1.0
    assert limiter.take("c", 0.0) == 0.0  # forgets b, not a
    assert limiter.take("a", 0.0) == 1.0
    assert limiter.take("b", 0.0) == 0.0


def test_a_clock_that_stands_still_or_goes_back_gives_nothing() -> None:
    limiter = Limiter(Rate(1.0, 1))
    assert limiter.take("a", 10.0) == 0.0
    assert limiter.take("a", 5.0) == 1.0


@given(
    per_s=st.integers(1, 1000),
    burst=st.integers(1, 50),
    gaps=st.lists(st.floats(0, 2), max_size=200),
)
def test_never_more_than_burst_and_rate_allow(per_s: int, burst: int, gaps: list[float]) -> None:
    limiter, now_s, taken = Limiter(Rate(float(per_s), burst)), 0.0, 0
    for gap in gaps:
        now_s += gap
        taken += limiter.take("a", now_s) == 0.0
        assert taken <= burst + per_s * now_s + 1e-3


@given(per_s=st.floats(0.001, 1000), burst=st.integers(1, 5), now_s=st.floats(0, 1e6))
def test_who_waits_as_told_is_let_in(per_s: float, burst: int, now_s: float) -> None:
    limiter = Limiter(Rate(per_s, burst))
    while (wait_s := limiter.take("a", now_s)) == 0.0:
        pass
    assert limiter.take("a", now_s + wait_s) == 0.0
