"""How many refused requests of an endpoint are kept, and how much of each."""

from pydantic import Field

from dispatchd.config.fields import Switch, Whole
from dispatchd.config.part import Part


class RefusedConfig(Part):
    """What is kept of requests that an endpoint refuses."""

    keep: Whole = Field(
        20, ge=0, le=1000, description="How many of each reason, the last ones; 0 keeps none."
    )
    body: Switch = Field(
        default=False,
        description="Whether their bodies are kept too, up to 64 KiB: of senders that may not"
        " have proven who they are.",
    )
