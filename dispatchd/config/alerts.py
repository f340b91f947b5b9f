"""Alerts: what is told of dispatchd itself, to which destination, and how often."""

from typing import Annotated, Final, Literal, get_args

from pydantic import Field, field_validator, model_validator

from dispatchd.alert_kinds import AlertKind
from dispatchd.config.delivery import SpacingRate
from dispatchd.config.fields import PRESENT, DurationS, Name, SizeBytes, Whole
from dispatchd.config.part import Part
from dispatchd.limits import read_rate

Kind = Literal[
    "delivery_failed",
    "lane_held",
    "lane_recovered",
    "backlog",
    "source_errors",
    "disk_low",
    "storage_fault",
    "quiet",
]
KINDS: Final[tuple[str, ...]] = get_args(Kind)
ABOUT_DESTINATIONS: Final = ("delivery_failed", "lane_held", "lane_recovered", "backlog")
TUNED: Final = ("backlog", "source_errors", "disk_low", "quiet")  # each has a key of its own
QUIET_MIN_S: Final = 60.0


class BacklogAlertConfig(Part):
    """When what waits for a destination is too much, or too old."""

    deliveries: Whole = Field(
        1000, ge=1, le=100_000, description="So many deliveries wait, or more."
    )
    age_s: DurationS = Field(
        900.0,
        alias="age",
        json_schema_extra={"default": "15m"},
        description="Or the oldest event that waits was received so long ago.",
    )

    @field_validator("age_s")
    @classmethod
    def _some_age(cls, value: float) -> float:
        if value < 1:
            raise ValueError("must be at least 1s")
        return value


class SourceErrorsConfig(Part):
    """When too many webhooks of an endpoint are refused for their proof."""

    rate: SpacingRate = Field(
        read_rate("10/m"),
        json_schema_extra={"default": "10/m"},
        description="More than so many of one endpoint.",
    )


class DiskLowConfig(Part):
    """When the disk of the database is nearly full."""

    free_bytes: SizeBytes = Field(
        1024**3,
        alias="free",
        json_schema_extra={"default": "1GiB"},
        description="Less than this is left.",
    )


class AlertConfig(Part):
    """What is told to one destination."""

    to: str = Field(description="The destination's name.", min_length=1)
    on: Annotated[tuple[Kind, ...], PRESENT] = Field(
        (), description="What is told; by default everything, `quiet` where it is set."
    )
    backlog: BacklogAlertConfig = Field(
        default_factory=BacklogAlertConfig, description="When a backlog is too much."
    )
    source_errors: SourceErrorsConfig = Field(
        default_factory=SourceErrorsConfig, description="When a sender's errors are too many."
    )
    disk_low: DiskLowConfig = Field(
        default_factory=DiskLowConfig, description="When the disk is nearly full."
    )
    quiet_s: dict[Name, DurationS] = Field(
        default_factory=dict,
        alias="quiet",
        description="By slug, how long an endpoint may receive nothing.",
    )
    every_s: DurationS = Field(
        900.0,
        alias="every",
        json_schema_extra={"default": "15m"},
        description="The least time between two alerts of one kind about the same.",
    )

    @field_validator("on")
    @classmethod
    def _some_kind(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("names nothing; leave it out to be told everything")
        return value

    @field_validator("every_s")
    @classmethod
    def _some_window(cls, value: float) -> float:
        if value < 1:
            raise ValueError("must be at least 1s")
        return value

    @field_validator("quiet_s")
    @classmethod
    def _some_silence(cls, value: dict[str, float]) -> dict[str, float]:
        if any(span_s < QUIET_MIN_S for span_s in value.values()):
            raise ValueError("must be at least 1m each")
        return value

    @model_validator(mode="after")
    def _said_when(self) -> "AlertConfig":
        if "quiet" in self.on and not self.quiet_s:
            raise ValueError(
                "tells of quiet, and no `quiet` says how long; write quiet: {slug: 24h}"
            )
        for key in TUNED:
            name = "quiet_s" if key == "quiet" else key
            if self.on and key not in self.on and name in self.model_fields_set:
                raise ValueError(f"sets {key}, which is not in `on`; add it there, or remove it")
        return self

    def kinds(self) -> frozenset[AlertKind]:
        """Return what is told."""
        named = self.on or [kind for kind in KINDS if kind != "quiet" or self.quiet_s]
        told = {AlertKind(kind) for kind in named}
        if AlertKind.DELIVERY_FAILED in told:
            told.add(AlertKind.ALERT_FAILED)
        return frozenset(told)
