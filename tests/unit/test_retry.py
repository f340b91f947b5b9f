"""The retry rules, row by row."""

import pytest

from dispatchd.model import Dead, Delivered, ErrorClass, Failure, Outcome, Reply, RetryAt
from dispatchd.retry import RETRY_AFTER_MAX_MS, RetryPolicy, decide, error_class, retry_after_ms

POLICY = RetryPolicy(7, (1000, 5000, 30_000, 120_000, 900_000, 3_600_000, 21_600_000), 0.2)
NOW_MS = 1_795_000_000_000


def reply(status: int, **headers: str) -> Reply:
    return Reply(status, tuple((k.replace("_", "-"), v) for k, v in headers.items()), b"", 1.0)


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
    assert decide(POLICY, reply(500), attempt, NOW_MS, roll) == RetryAt(NOW_MS + delay_ms)


def test_the_last_wait_repeats() -> None:
    policy = RetryPolicy(100, (10, 20), 0)
    assert decide(policy, reply(500), 50, NOW_MS, 0.9) == RetryAt(NOW_MS + 20)


@pytest.mark.parametrize(
    ("outcome", "attempt", "verdict"),
    [
        (reply(200), 1, Delivered()),
        (reply(299), 7, Delivered()),
        (reply(300), 7, Dead()),
        (reply(500), 7, Dead()),
        (reply(410), 1, RetryAt(NOW_MS + 1000)),
        (Failure(ErrorClass.TIMEOUT, "", 1.0), 7, Dead()),
        (Failure(ErrorClass.TIMEOUT, "", 1.0), 1, RetryAt(NOW_MS + 1000)),
        (Failure(ErrorClass.RESET, "", 1.0, 200), 1, RetryAt(NOW_MS + 1000)),
        (Failure(ErrorClass.TRANSFORM, "", 0.0), 1, Dead()),
    ],
)
def test_verdicts(outcome: Outcome, attempt: int, verdict: object) -> None:
    assert decide(POLICY, outcome, attempt, NOW_MS, 0.5) == verdict


def test_retry_after_only_postpones() -> None:
    assert decide(POLICY, reply(429, Retry_After="60"), 1, NOW_MS, 0.5) == RetryAt(NOW_MS + 60_000)
    assert decide(POLICY, reply(503, Retry_After="1"), 2, NOW_MS, 0.5) == RetryAt(NOW_MS + 5000)
    assert decide(POLICY, reply(503, Retry_After="60"), 7, NOW_MS, 0.5) == Dead()


@pytest.mark.parametrize(
    ("value", "delay_ms"),
    [
        (None, 0),
        ("", 0),
        ("0", 0),
        (" 7 ", 7000),
        ("86400", RETRY_AFTER_MAX_MS),
        ("999999999", RETRY_AFTER_MAX_MS),
        ("9" * 5000, RETRY_AFTER_MAX_MS),
        ("-5", 0),
        ("1.5", 0),
        ("٣", 0),
        ("soon", 0),
        ("Wed, 18 Nov 2026 19:06:50 GMT", 10_000),
        ("Wed, 18 Nov 2026 19:06:30 GMT", 0),
        ("Wed, 18 Nov 2026 19:06:50", 10_000),
        ("Fri, 31 Dec 9999 23:59:59 GMT", RETRY_AFTER_MAX_MS),
        ("Mon, 00 Foo 0000 99:99:99 GMT", 0),
    ],
)
def test_retry_after(value: str | None, delay_ms: int) -> None:
    at_ms = 1_795_028_800_000
    assert at_ms // 1000 == 1_795_028_800
    base = "Wed, 18 Nov 2026 19:06:40 GMT"
    assert retry_after_ms(base, at_ms) == 0
    assert retry_after_ms(value, at_ms) == delay_ms


def test_error_classes() -> None:
    assert error_class(reply(204)) is None
    assert error_class(reply(302)) is ErrorClass.REDIRECT
    assert error_class(reply(404)) is ErrorClass.HTTP
    assert error_class(Failure(ErrorClass.DNS, "", 0.0)) is ErrorClass.DNS
