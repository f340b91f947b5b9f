"""How `Retry-After` is read."""

import pytest

from dispatchd.compose.retry_after import RETRY_AFTER_MAX_MS, retry_after_ms


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
        ("120.1", 121_000),
        ("120.0", 120_000),
        ("0.001", 1000),
        ("86400.5", RETRY_AFTER_MAX_MS),
        ("1.", 0),
        (".5", 0),
        ("1.5.5", 0),
        ("1.x", 0),
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
