"""What every destination has, whatever its type: what it wants, and how it is worked off."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from dispatchd.compose import Courier
from dispatchd.compose.speaker import Speaker
from dispatchd.config.delivery import BreakerConfig, Retry, RetryConfig, SpacingRate
from dispatchd.config.fields import PRESENT, DurationS, EventTypes, Switch, Whole
from dispatchd.config.part import Part
from dispatchd.gates import BreakerPolicy
from dispatchd.limits import Rate, read_rate


class LaneConfig(Part):
    """A destination of any type. What it can be told differs, what is asked of it does not."""

    if TYPE_CHECKING:
        type: str  # each has its own word for itself

    event_types: EventTypes = Field(
        (), description="Globs (* and ?) of the event types it wants; none means all."
    )
    timeout_s: DurationS = Field(
        30.0,
        alias="timeout",
        json_schema_extra={"default": "30s"},
        description="For the whole exchange, from connecting to the last byte.",
    )
    max_in_flight: Whole = Field(
        16, ge=1, le=1024, description="How many exchanges run at once; 1 is one after another."
    )
    retry: Retry = Field(
        default_factory=RetryConfig,
        description="When a failed delivery is tried again: a preset's name, or a section.",
    )
    breaker: Annotated[BreakerConfig | None, PRESENT] = Field(
        None, description="When to stop sending to it while it is down; off unless written."
    )
    rate_limit: Annotated[SpacingRate | None, PRESENT] = Field(
        None, description="How often at most, e.g. 10/s: requests are spaced, none is dropped."
    )
    ordered: Switch = Field(
        default=False,
        description="true sends one at a time, strictly in order of receipt.",
    )
    on_failed: Literal["continue", "hold"] = Field(
        "continue",
        description="With `ordered`: what happens behind a delivery that failed for good.",
    )

    @model_validator(mode="after")
    def _one_at_a_time(self) -> Self:
        if self.ordered and self.max_in_flight != 1 and "max_in_flight" in self.model_fields_set:
            raise ValueError("`ordered` sends one at a time: remove `max_in_flight`")
        if self.on_failed == "hold" and not self.ordered:
            raise ValueError("`on_failed: hold` holds what is behind it: set `ordered: true`")
        return self

    @field_validator("timeout_s")
    @classmethod
    def _some_time(cls, value: float) -> float:
        if not 0.001 <= value <= 3600:  # noqa: PLR2004
            raise ValueError("must be between 1ms and 1h")
        return value

    def breaker_policy(self) -> BreakerPolicy:
        """Return when the lane is held: without `breaker`, for a 410 alone."""
        return BreakerPolicy() if self.breaker is None else self.breaker.policy()

    @property
    def forwarded_in_full(self) -> frozenset[str]:
        """The sender's headers that go along by their full names, in lower case."""
        return frozenset()

    @property
    def safe_url(self) -> str:
        """What may be shown of where it is: scheme, host and port."""
        raise NotImplementedError

    def speaker(self, default_proxy: SecretStr | None) -> Speaker:
        """Return what speaks there; `default_proxy` is what all destinations use."""
        raise NotImplementedError

    def own_courier(self) -> Courier | None:
        """Return what carries events to it, where that is neither HTTP nor what is said."""
        return None

    def unready(self) -> str | None:
        """Say what on this machine keeps it from working now; None where nothing does."""
        return None

    def words_as_written(self) -> tuple[str, ...]:
        """Return texts that stand as they are, where a template might be looked for."""
        return ()

    def secrets(self) -> Iterator[str]:
        """Yield what must not come back in an answer that is kept."""
        raise NotImplementedError


def paced(rate: str, description: str) -> Rate:
    """Return the field of a `rate_limit` that is there unless another is written."""
    field: Rate = Field(
        read_rate(rate),
        json_schema_extra={"default": rate},
        description=f"How often at most; by default {description}.",
    )
    return field


def of(secret: SecretStr | None) -> str | None:
    """Return what a secret holds."""
    return None if secret is None else secret.get_secret_value()
