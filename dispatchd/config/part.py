"""What every part of the config has in common."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A frozen section: unknown keys are errors, and no error shows a value."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, arbitrary_types_allowed=True
    )
