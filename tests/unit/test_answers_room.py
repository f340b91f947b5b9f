"""Answers of queues under way: one bound, and who waits for room is told when there is some."""

from hypothesis import given
from hypothesis import strategies as st

from dispatchd.deliver.answers import ANSWER_MAX_BYTES, ANSWERS_MAX_BYTES, Answers

MIB = 1024 * 1024


@given(st.lists(st.integers(1, 12 * MIB)))
def test_they_take_the_bound_and_one_large_event_at_most(sizes: list[int]) -> None:
    answers = Answers()
    shares = []
    for size in sizes:
        if answers.fits(size):
            shares.append(answers.share())
            shares[-1].becomes(size)
    assert answers.used_bytes <= ANSWERS_MAX_BYTES + 4 * MIB  # a quarter of the bound was free
    for share in shares:
        share.give_back()
        share.give_back()
    assert answers.used_bytes == 0


def test_an_event_larger_than_the_bound_is_handed_out_too() -> None:
    answers = Answers()
    assert answers.fits(10 * ANSWERS_MAX_BYTES)
    answers.share().becomes(10 * ANSWERS_MAX_BYTES)
    assert not answers.fits(1)


def test_who_waits_is_told_once_and_only_of_enough() -> None:
    answers, told = Answers(), []
    first, second = answers.share(), answers.share()
    first.becomes(ANSWERS_MAX_BYTES - ANSWER_MAX_BYTES)
    second.becomes(ANSWER_MAX_BYTES)
    answers.wait(lambda: told.append("large"), 8 * MIB)
    answers.wait(lambda: told.append("small"), ANSWER_MAX_BYTES)
    second.give_back()
    assert told == ["small"]
    second.becomes(ANSWER_MAX_BYTES)
    second.give_back()
    assert told == ["small"]
    first.give_back()
    assert told == ["small", "large"]
