"""What came of a test."""

from typing import TypedDict

from dispatchd.shapes.event import AttemptFields


class TestFields(TypedDict):
    """A request that was sent to a destination to see what comes of it. Nothing of it is kept."""

    destination: str
    delivered: bool
    attempt: AttemptFields
