"""Every retry rule lives here: given a judged attempt, what happens to the delivery next.

Pure. The schedule is the contract's: attempt n+1 is due `backoff[n-1]` after attempt n ended
(the last value repeats), plus or minus jitter, and not before `Retry-After`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from dispatchd.frozen import frozen
from dispatchd.model import Dead, Delivered, Judged, RetryAt, Verdict, Whose

# A fault of our own is tried again soon, then less and less often, and uses up no attempt.
OUR_FAULT_FIRST_MS: Final = 1000
OUR_FAULT_MAX_MS: Final = 5 * 60 * 1000


@frozen
class RetryPolicy:
    """`max_attempts` tries in all, `backoff_ms` between them, `jitter` as a fraction (0 to 1).

    An answer with a status of `give_up_on` is the last word on its delivery.
    """

    max_attempts: int
    backoff_ms: tuple[int, ...]
    jitter: float
    give_up_on: frozenset[int] = frozenset()


# `quick` is the default. `standard` is the schedule that Standard Webhooks gives as an example
# (spec/standard-webhooks.md, "Deliverability and reliability").
PRESETS: Final[Mapping[str, RetryPolicy]] = {
    "quick": RetryPolicy(
        7, (1_000, 5_000, 30_000, 120_000, 900_000, 3_600_000, 21_600_000), jitter=0.2
    ),
    "standard": RetryPolicy(
        10,
        (
            5_000,
            300_000,
            1_800_000,
            7_200_000,
            18_000_000,
            36_000_000,
            50_400_000,
            72_000_000,
            86_400_000,
        ),
        jitter=0.2,
    ),
}


def given_up(policy: RetryPolicy, judged: Judged, status: int | None) -> Judged:
    """Return what an answer of `status` means under `give_up_on`: it is about the content.

    The same again would be answered the same way, and that says nothing about the destination:
    it slows no lane down and opens no breaker.
    """
    if status not in policy.give_up_on or isinstance(judged, Delivered):
        return judged
    return replace(judged, whose=Whose.CONTENT, retry_after_ms=0, gone=False, throttled=False)


def decide(
    policy: RetryPolicy,
    judged: Judged,
    attempt: int,
    now_ms: int,
    roll: float,
    *,
    made: int = 1,
    probe: bool = False,
) -> Verdict:
    """Decide on attempt number `attempt` (1 is the first of this run), which ended at `now_ms`.

    `roll` is a uniform random number in [0, 1): 0 gives the earliest due time, 1 the latest.
    `made` counts every attempt ever made, those without number in this run among them. `probe`:
    it was made while the lane was held, which uses up no attempt; nor does a 410, which holds it.
    Such a delivery is due again at once, behind the others, for when the lane opens.
    """
    if isinstance(judged, Delivered):
        return Delivered()
    if judged.whose is Whose.OURS:
        delay_ms = min(OUR_FAULT_FIRST_MS << min(made - 1, 20), OUR_FAULT_MAX_MS)
        return RetryAt(now_ms + delay_ms, counted=False)
    if judged.whose is Whose.CONTENT:
        return Dead()
    if probe or judged.gone:
        return RetryAt(now_ms + judged.retry_after_ms, counted=False)
    if attempt >= policy.max_attempts:
        return Dead()
    base_ms = policy.backoff_ms[min(attempt, len(policy.backoff_ms)) - 1]
    delay_ms = round(base_ms * (1 + policy.jitter * (2 * roll - 1)))
    return RetryAt(now_ms + max(delay_ms, judged.retry_after_ms))
