"""What destinations have in common that something is sent to: how long, how many, how often."""

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from dispatchd.config.delivery import BreakerConfig, SpacingRate
from dispatchd.config.fields import PRESENT, DurationS, Whole
from dispatchd.config.lane import LaneConfig
from dispatchd.gates import BreakerPolicy


class SentConfig(LaneConfig):
    """A destination of any type but a queue."""

    timeout_s: DurationS = Field(
        30.0,
        alias="timeout",
        json_schema_extra={"default": "30s"},
        description="For the whole exchange, from connecting to the last byte.",
    )
    max_in_flight: Whole = Field(
        16, ge=1, le=1024, description="How many exchanges run at once; 1 is one after another."
    )
    breaker: Annotated[BreakerConfig | None, PRESENT] = Field(
        None, description="When to stop sending to it while it is down; off unless written."
    )
    rate_limit: Annotated[SpacingRate | None, PRESENT] = Field(
        None, description="How often at most, e.g. 10/s: requests are spaced, none is dropped."
    )

    @model_validator(mode="after")
    def _one_at_a_time(self) -> Self:
        if self.ordered and self.max_in_flight != 1 and "max_in_flight" in self.model_fields_set:
            raise ValueError("`ordered` sends one at a time: remove `max_in_flight`")
        return self

    @field_validator("timeout_s")
    @classmethod
    def _some_time(cls, value: float) -> float:
        if not 0.001 <= value <= 3600:  # noqa: PLR2004
            raise ValueError("must be between 1ms and 1h")
        return value

    def at_once(self) -> int:
        """Return how many exchanges run at once."""
        return 1 if self.ordered else self.max_in_flight

    def gap_s(self) -> float | None:
        """Return the time between two starts under a rate limit."""
        return None if self.rate_limit is None else 1 / self.rate_limit.per_s

    def breaker_policy(self) -> BreakerPolicy:
        """Return when the lane is held: without `breaker`, for a 410 alone."""
        return BreakerPolicy() if self.breaker is None else self.breaker.policy()

    def may_stop_at_one(self) -> bool:
        """Whether one event that it always refuses may open the breaker before it is given up."""
        after = None if self.breaker is None else self.breaker.open_after
        return self.ordered and after is not None and after <= self.retry.policy().max_attempts
