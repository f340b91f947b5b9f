"""The destination of type `pull`: a queue that consumers claim from, over the admin listener."""

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, model_validator

from dispatchd.config.lane import LaneConfig


class PullConfig(LaneConfig):
    """A queue: nothing is sent to it."""

    type: Literal["pull"] = Field(description="What kind of destination it is.")

    @model_validator(mode="after")
    def _has_no_statuses(self) -> Self:
        if self.retry.give_up_on:
            raise ValueError("consumers answer with no status: remove `retry.give_up_on`")
        return self

    @property
    def claimed(self) -> bool:
        """Whether consumers claim from it."""
        return True

    @property
    def safe_url(self) -> str:
        """What may be shown of where it is: it is here."""
        return ""

    def secrets(self) -> Iterator[str]:
        """Yield nothing: a queue's keys are hashes, and consumers answer with words of theirs."""
        yield from ()
