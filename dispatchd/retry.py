"""Every retry rule lives here: given a judged attempt, what happens to the delivery next.

Pure. The schedule is the contract's: attempt n+1 is due `backoff[n-1]` after attempt n ended
(the last value repeats), plus or minus jitter, and not before `Retry-After`.
"""

from dataclasses import dataclass
from typing import Final

from dispatchd.model import Dead, Delivered, Judged, RetryAt, Verdict, Whose

# A fault of our own is tried again soon, then less and less often, and uses up no attempt.
OUR_FAULT_FIRST_MS: Final = 1000
OUR_FAULT_MAX_MS: Final = 5 * 60 * 1000


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`max_attempts` tries in all, `backoff_ms` between them, `jitter` as a fraction (0 to 1)."""

    max_attempts: int
    backoff_ms: tuple[int, ...]
    jitter: float


def decide(
    policy: RetryPolicy, judged: Judged, attempt: int, now_ms: int, roll: float, *, made: int = 1
) -> Verdict:
    """Decide on attempt number `attempt` (1 is the first of this run), which ended at `now_ms`.

    `roll` is a uniform random number in [0, 1): 0 gives the earliest due time, 1 the latest.
    `made` counts every attempt ever made, those without number in this run among them.
    """
    if isinstance(judged, Delivered):
        return Delivered()
    if judged.whose is Whose.OURS:
        delay_ms = min(OUR_FAULT_FIRST_MS << min(made - 1, 20), OUR_FAULT_MAX_MS)
        return RetryAt(now_ms + delay_ms, counted=False)
    if judged.whose is Whose.CONTENT or attempt >= policy.max_attempts:
        return Dead()
    base_ms = policy.backoff_ms[min(attempt, len(policy.backoff_ms)) - 1]
    delay_ms = round(base_ms * (1 + policy.jitter * (2 * roll - 1)))
    return RetryAt(now_ms + max(delay_ms, judged.retry_after_ms))
