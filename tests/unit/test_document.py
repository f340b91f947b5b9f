"""Is it JSON? What a stranger sends must be told in a time that grows with its length alone."""

import time
from typing import Any

import pytest

from dispatchd.reading.json_text import NotJson, parse_json

MIB = 1024 * 1024


def cpu_s(body: bytes) -> float:
    """Return the processor's time, the least of a few: others on the machine count for nothing."""
    least = float("inf")
    for _ in range(3):
        started_s = time.process_time()
        with pytest.raises(NotJson):
            parse_json(body)
        least = min(least, time.process_time() - started_s)
    return least


def test_runs_of_digits_cost_no_more_than_other_bytes() -> None:
    """A MiB of numbers of 308 digits kept the loop for 450 ms, before any proof."""
    runs = ((b"1" * 308 + b" ") * (MIB // 300))[:MIB]
    assert cpu_s(runs) < 10 * cpu_s(b"a" * MIB) + 0.005


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"1" * 310, int("1" * 310)),
        (b"[-" + b"9" * 400 + b"]", [-int("9" * 400)]),
        (b'"\\ud800"', "\ud800"),
        (b"1e999", float("inf")),
        (b"1E+999", float("inf")),
    ],
)
def test_what_the_standard_allows_is_read(body: bytes, found: Any) -> None:
    assert parse_json(body) == found
