"""Every retry rule lives here: given an outcome, what happens to the delivery next.

Pure. The schedule is the contract's: attempt n+1 is due `backoff[n-1]` after attempt n ended
(the last value repeats), plus or minus jitter, and not before `Retry-After`.
"""

from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from dispatchd.model import Dead, Delivered, ErrorClass, Failure, Outcome, Reply, RetryAt, Verdict

RETRY_AFTER_MAX_MS: Final = 24 * 3600 * 1000  # a destination may ask for a day, not for a year


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`max_attempts` tries in all, `backoff_ms` between them, `jitter` as a fraction (0 to 1)."""

    max_attempts: int
    backoff_ms: tuple[int, ...]
    jitter: float


def is_success(outcome: Outcome) -> bool:
    """Any 2xx is a success, nothing else is."""
    return isinstance(outcome, Reply) and 200 <= outcome.status < 300  # noqa: PLR2004 - RFC 9110


def error_class(outcome: Outcome) -> ErrorClass | None:
    """Return the fixed class of a failed outcome, None for a success."""
    if isinstance(outcome, Failure):
        return outcome.error
    if is_success(outcome):
        return None
    if 300 <= outcome.status < 400:  # noqa: PLR2004 - RFC 9110 section 15.4
        return ErrorClass.REDIRECT
    return ErrorClass.HTTP


def decide(
    policy: RetryPolicy, outcome: Outcome, attempt: int, now_ms: int, roll: float
) -> Verdict:
    """Judge attempt number `attempt` (1 is the first of this run), which ended at `now_ms`.

    `roll` is a uniform random number in [0, 1): 0 gives the earliest due time, 1 the latest.
    """
    if is_success(outcome):
        return Delivered()
    if isinstance(outcome, Failure) and outcome.error is ErrorClass.TRANSFORM:
        return Dead()  # the same expression on the same event fails the same way
    if attempt >= policy.max_attempts:
        return Dead()
    base_ms = policy.backoff_ms[min(attempt, len(policy.backoff_ms)) - 1]
    delay_ms = round(base_ms * (1 + policy.jitter * (2 * roll - 1)))
    if isinstance(outcome, Reply):
        asked_ms = retry_after_ms(dict_get(outcome.headers, "retry-after"), now_ms)
        delay_ms = max(delay_ms, asked_ms)
    return RetryAt(now_ms + delay_ms)


def dict_get(headers: tuple[tuple[str, str], ...], name: str) -> str | None:
    """Return the first header called `name` (lower case), None where there is none."""
    return next((value for key, value in headers if key.lower() == name), None)


def retry_after_ms(value: str | None, now_ms: int) -> int:
    """Parse `Retry-After` (RFC 9110 section 10.2.3: delay seconds or an HTTP date) to a delay.

    Returns ms from `now_ms`, between 0 and 24 h; 0 for an absent, past or malformed value.
    """
    if value is None:
        return 0
    text = value.strip()
    if text.isascii() and text.isdigit():
        # A thousand digits is a long wait too, and int() on it would be slow or refuse.
        seconds = int(text) if len(text) <= 9 else RETRY_AFTER_MAX_MS  # noqa: PLR2004
        return min(seconds * 1000, RETRY_AFTER_MAX_MS)
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:  # an HTTP date is GMT, whatever it calls itself
            moment = moment.replace(tzinfo=UTC)
        delay_ms = round(moment.timestamp() * 1000) - now_ms
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0
    return max(0, min(delay_ms, RETRY_AFTER_MAX_MS))
