"""A destination, compiled: what its lane needs to know of the config."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from dispatchd.compose import Courier
from dispatchd.gates import BreakerPolicy
from dispatchd.redact import Redactor
from dispatchd.retry import RetryPolicy


@dataclass(frozen=True, slots=True)
class LinkTransform:
    """A link's JSONata expression and what its failure means; `owner` is whose turns it uses.

    `bound` says that the expression asks for more than the body.
    """

    expression: str
    on_error: Literal["send", "fail"]
    owner: str
    bound: bool


@dataclass(frozen=True, slots=True)
class LaneSpec:
    """A destination, compiled: what its lane needs to know.

    `transforms` are by endpoint slug; the `redactor` knows what must not survive in a kept
    response, should the destination echo it. `signs` says that the courier does, which takes
    its time with a large body. `gap_s` is between two starts under a rate limit;
    `ordered`: in order of receipt, one at a time, and with `hold_on_failed` nothing goes past
    what failed for good. `url` is what may be shown of its address.
    """

    destination: str
    courier: Courier
    policy: RetryPolicy
    max_in_flight: int
    transforms: Mapping[str, LinkTransform]
    redactor: Redactor
    signs: bool = False
    breaker: BreakerPolicy = BreakerPolicy()  # noqa: RUF009 - frozen
    gap_s: float | None = None
    ordered: bool = False
    hold_on_failed: bool = False
    url: str = ""
