"""How a destination is delivered to: when again, how fast, and when not."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from dispatchd.config.fields import (
    EMPTY_LIST,
    PRESENT,
    DurationMs,
    DurationS,
    Fraction,
    Whole,
)
from dispatchd.config.part import Part
from dispatchd.gates import BreakerPolicy
from dispatchd.limits import Rate, read_rate
from dispatchd.retry import PRESETS, RetryPolicy

Status = Annotated[Whole, Field(ge=300, le=599)]


class RetryConfig(Part):
    """When a failed delivery is tried again."""

    preset: Literal["quick", "standard"] = Field(
        "quick", description="The schedule; the keys beside it change parts of it."
    )
    max_attempts: Annotated[Whole | None, PRESENT] = Field(
        None,
        ge=1,
        le=100,
        description="Tries in all, the first included; by default the preset's.",
    )
    backoff_ms: Annotated[tuple[DurationMs, ...] | None, PRESENT] = Field(
        None,
        alias="backoff",
        description="The wait after each attempt; the last one repeats. By default the preset's.",
    )
    jitter: Fraction = Field(
        0.2, ge=0, le=1, description="How far each wait may stray, as a fraction of it."
    )
    give_up_on: Annotated[tuple[Status, ...], EMPTY_LIST] = Field(
        (), description="Statuses that are the last word: the delivery fails at once."
    )

    @field_validator("backoff_ms")
    @classmethod
    def _some_wait(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if value is not None and not 1 <= len(value) <= 100:  # noqa: PLR2004 - as many gaps as there may be attempts
            raise ValueError("must hold 1 to 100 durations")
        return value

    def policy(self) -> RetryPolicy:
        """Return the policy as the retry rules take it."""
        preset = PRESETS[self.preset]
        return RetryPolicy(
            preset.max_attempts if self.max_attempts is None else self.max_attempts,
            preset.backoff_ms if self.backoff_ms is None else self.backoff_ms,
            self.jitter,
            frozenset(self.give_up_on),
        )


def _retry(value: Any) -> Any:
    """Read the name of a preset as a section that holds it; an empty section as the default."""
    if value is None:
        return {}
    if not isinstance(value, str):
        return value
    if value not in PRESETS:
        raise ValueError(f"must be a preset or a section; presets are {', '.join(PRESETS)}")
    return {"preset": value}


Retry = Annotated[
    RetryConfig,
    BeforeValidator(_retry, json_schema_input_type=Literal["quick", "standard"] | RetryConfig),
]


class BreakerConfig(Part):
    """When to stop sending to a destination that is down, and how to find out that it is back."""

    open_after: Whole = Field(10, ge=1, le=10_000, description="Failures in a row that open it.")
    probe_every_s: DurationS = Field(
        30.0,
        alias="probe_every",
        json_schema_extra={"default": "30s"},
        description="How long until the first probe; each one that fails doubles it.",
    )
    max_probe_every_s: DurationS = Field(
        600.0,
        alias="max_probe_every",
        json_schema_extra={"default": "10m"},
        description="The longest between two probes.",
    )

    @model_validator(mode="after")
    def _in_order(self) -> "BreakerConfig":
        if self.probe_every_s < 1:
            raise ValueError("`probe_every` must be at least 1s")
        if self.max_probe_every_s < self.probe_every_s:
            raise ValueError("`max_probe_every` must not be shorter than `probe_every`")
        return self

    def policy(self) -> BreakerPolicy:
        """Return the policy as the gate takes it."""
        return BreakerPolicy(self.open_after, self.probe_every_s, self.max_probe_every_s)


def _spacing(value: Any) -> Rate:
    if isinstance(value, Rate):
        return value
    if not isinstance(value, str):
        raise ValueError("is not a rate; write 10/s, 600/m or 10000/h")  # noqa: TRY004 - pydantic's contract
    return read_rate(value)


SpacingRate = Annotated[Rate, BeforeValidator(_spacing, json_schema_input_type=str)]
