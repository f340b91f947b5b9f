"""The retry rules, row by row."""

from dataclasses import replace

import pytest

from dispatchd.model import Dead, Delivered, ErrorClass, Failed, Judged, RetryAt, Whose
from dispatchd.retry import PRESETS, RetryPolicy, decide, given_up

POLICY = RetryPolicy(7, (1000, 5000, 30_000, 120_000, 900_000, 3_600_000, 21_600_000), 0.2)
NOW_MS = 1_795_000_000_000


FAILED = Failed(ErrorClass.HTTP)


@pytest.mark.parametrize(
    ("attempt", "roll", "delay_ms"),
    [
        (1, 0.5, 1000),
        (1, 0.0, 800),
        (1, 1.0, 1200),
        (2, 0.5, 5000),
        (6, 0.5, 3_600_000),
        (6, 0.25, 3_240_000),
    ],
)
def test_the_schedule(attempt: int, roll: float, delay_ms: int) -> None:
    assert decide(POLICY, FAILED, attempt, NOW_MS, roll) == RetryAt(NOW_MS + delay_ms)


def test_the_last_wait_repeats() -> None:
    policy = RetryPolicy(100, (10, 20), 0)
    assert decide(policy, FAILED, 50, NOW_MS, 0.9) == RetryAt(NOW_MS + 20)


@pytest.mark.parametrize(
    ("judged", "attempt", "verdict"),
    [
        (Delivered(), 1, Delivered()),
        (Delivered(), 7, Delivered()),
        (FAILED, 7, Dead()),
        (FAILED, 1, RetryAt(NOW_MS + 1000)),
        (Failed(ErrorClass.TIMEOUT), 7, Dead()),
        (Failed(ErrorClass.TIMEOUT), 1, RetryAt(NOW_MS + 1000)),
        # Its lane is held from there on, which uses up no attempt.
        (Failed(ErrorClass.HTTP, gone=True), 1, RetryAt(NOW_MS, counted=False)),
        (Failed(ErrorClass.HTTP, gone=True), 7, RetryAt(NOW_MS, counted=False)),
        (Failed(ErrorClass.TRANSFORM, Whose.CONTENT), 1, Dead()),
        (Failed(ErrorClass.EVALUATOR, Whose.OURS), 1, RetryAt(NOW_MS + 1000, counted=False)),
        (Failed(ErrorClass.EVALUATOR, Whose.OURS), 7, RetryAt(NOW_MS + 1000, counted=False)),
    ],
)
def test_verdicts(judged: Judged, attempt: int, verdict: object) -> None:
    assert decide(POLICY, judged, attempt, NOW_MS, 0.5) == verdict


def test_a_fault_of_our_own_is_tried_again_less_and_less_often() -> None:
    ours = Failed(ErrorClass.INTERNAL, Whose.OURS)
    waits_ms = [
        decide(POLICY, ours, 1, NOW_MS, 0.5, made=made).due_ms - NOW_MS  # type: ignore[union-attr]
        for made in (1, 2, 3, 9, 10, 1_000_000)
    ]
    assert waits_ms == [1000, 2000, 4000, 256_000, 300_000, 300_000]


def test_retry_after_only_postpones() -> None:
    def asked(seconds: int) -> Failed:
        return Failed(ErrorClass.HTTP, retry_after_ms=seconds * 1000)

    assert decide(POLICY, asked(60), 1, NOW_MS, 0.5) == RetryAt(NOW_MS + 60_000)
    assert decide(POLICY, asked(1), 2, NOW_MS, 0.5) == RetryAt(NOW_MS + 5000)
    assert decide(POLICY, asked(60), 7, NOW_MS, 0.5) == Dead()


@pytest.mark.parametrize("attempt", [1, 7])
def test_a_probe_uses_up_no_attempt_and_goes_behind_the_others(attempt: int) -> None:
    """An event that its destination refuses must not be every probe of the lane."""
    verdict = decide(POLICY, FAILED, attempt, NOW_MS, 0.5, probe=True)
    assert verdict == RetryAt(NOW_MS, counted=False)
    asked = Failed(ErrorClass.HTTP, retry_after_ms=60_000)
    verdict = decide(POLICY, asked, attempt, NOW_MS, 0.5, probe=True)
    assert verdict == RetryAt(NOW_MS + 60_000, counted=False)
    assert decide(POLICY, Delivered(), attempt, NOW_MS, 0.5, probe=True) == Delivered()


def test_what_is_given_up_on_is_the_contents_fault_and_nobody_elses() -> None:
    policy = replace(POLICY, give_up_on=frozenset({404, 410, 503}))
    asked = Failed(ErrorClass.HTTP, retry_after_ms=9, gone=True, throttled=True)
    for status in (404, 410, 503):
        judged = given_up(policy, asked, status)
        assert judged == Failed(ErrorClass.HTTP, Whose.CONTENT)
        assert decide(policy, judged, 1, NOW_MS, 0.5) == Dead()
    assert given_up(policy, FAILED, 400) is FAILED
    assert given_up(policy, Failed(ErrorClass.TIMEOUT), None) == Failed(ErrorClass.TIMEOUT)


def test_the_standard_preset_is_the_schedule_of_standard_webhooks() -> None:
    hours = 3600
    waits_s = [5, 300, 1800, 2 * hours, 5 * hours, 10 * hours, 14 * hours, 20 * hours, 24 * hours]
    assert [wait_ms / 1000 for wait_ms in PRESETS["standard"].backoff_ms] == waits_s
    assert PRESETS["standard"].max_attempts == len(waits_s) + 1
