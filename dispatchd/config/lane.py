"""What every destination has, whatever its type: what it wants, and how it is worked off."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, SecretStr, model_validator

from dispatchd.compose import Courier
from dispatchd.compose.speaker import Speaker
from dispatchd.config.delivery import Retry, RetryConfig
from dispatchd.config.fields import EventTypes, Switch
from dispatchd.config.part import Part
from dispatchd.gates import BreakerPolicy
from dispatchd.limits import Rate, read_rate


class LaneConfig(Part, defer_build=True):  # a type is built when a config names it
    """A destination of any type. What it can be told differs, what is asked of it does not."""

    if TYPE_CHECKING:
        type: str  # each has its own word for itself

    event_types: EventTypes = Field(
        (), description="Globs (* and ?) of the event types it wants; none means all."
    )
    retry: Retry = Field(
        default_factory=RetryConfig,
        description="When a failed delivery is tried again: a preset's name, or a section.",
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
    def _holds_an_order(self) -> Self:
        if self.on_failed == "hold" and not self.ordered:
            raise ValueError("`on_failed: hold` holds what is behind it: set `ordered: true`")
        return self

    @property
    def claimed(self) -> bool:
        """Whether consumers claim from it; else something is sent."""
        return False

    def at_once(self) -> int:
        """Return how many exchanges run at once."""
        return 1

    def gap_s(self) -> float | None:
        """Return the time between two starts under a rate limit; None without one."""
        return None

    def breaker_policy(self) -> BreakerPolicy:
        """Return when the lane is held."""
        return BreakerPolicy()

    def may_stop_at_one(self) -> bool:
        """Whether one event that it always refuses may open the breaker before it is given up."""
        return False

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
