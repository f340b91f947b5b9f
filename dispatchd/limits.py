"""Rate limits: token buckets, one per key, in bounded memory. Pure.

A bucket fills at `per_s` tokens a second up to `burst`; each request takes one. Formula: the
token bucket of RFC 2697's kind, with time handed in.
"""

import re
from collections import OrderedDict
from typing import Final

from dispatchd.frozen import frozen

KEYS_MAX: Final = 10_000  # clients remembered at once; the longest unseen is forgotten first
_RATE: Final = re.compile(r"(\d{1,9})/(s|m|h)", re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}


@frozen
class Rate:
    """How many requests a second in the long run, and how many at once."""

    per_s: float
    burst: int


def read_rate(text: str) -> Rate:
    """Read `100/s 600/m 10000/h`: so many may also come at once. Raises ValueError."""
    match = _RATE.fullmatch(text)
    if match is None or (count := int(match[1])) == 0:
        raise ValueError("is not a rate; write 100/s, 600/m or 10000/h")
    # A burst of less would refuse the second of three a minute.
    return Rate(count / _SECONDS[match[2]], count)


class Limiter:
    """Buckets by key. A key that was forgotten starts with a full bucket."""

    def __init__(self, rate: Rate, keys_max: int = KEYS_MAX) -> None:
        self.rate = rate
        self._keys_max = keys_max
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, at_s

    def take(self, key: str, now_s: float) -> float:
        """Take a token at `now_s` (monotonic): 0 when there was one, else the s until there is."""
        rate = self.rate
        tokens, at_s = self._buckets.get(key, (float(rate.burst), now_s))
        tokens = min(float(rate.burst), tokens + max(0.0, now_s - at_s) * rate.per_s)
        # What floating point loses on the way must not refuse who waited exactly long enough.
        allowed = tokens >= 1 - 1e-6
        self._buckets[key] = (max(0.0, tokens - 1) if allowed else tokens, now_s)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._keys_max:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - tokens) / rate.per_s
